//! What a session is: its identifiers, its attributes, and the record that engines keep of it.

mod attributes;
mod event;
mod id;
mod namespace;
mod record;
mod resume_token;
mod size;
mod value;

pub use attributes::{Attribute, Attributes, MalformedAttribute};
pub use event::{Event, EventKind};
pub(crate) use id::fill_random;
pub use id::{Handle, IdHash, PrincipalHash, Secret, SecretHash, SessionId};
pub use namespace::{NAMESPACE_RULE, is_namespace};
pub use record::{Credential, Life, Record, Ticket, WrappedKey};
pub use resume_token::{MalformedToken, ResumeToken};
pub use size::{
    COMMON_MESSAGE_BYTES, ENVELOPE_BYTES, LARGEST_MESSAGE, MAX_ATTRIBUTES, MAX_LABELS, MAX_SESSION_BYTES, message_with,
};
pub use value::{MAX_DEPTH, MalformedValue};
