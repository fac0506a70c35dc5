//! What a session is: its identifiers, its attributes, and the record that engines keep of it.

mod attributes;
mod id;
mod record;
mod value;

pub use attributes::{Attribute, Attributes, MalformedAttribute};
pub use id::{Handle, IdHash, SessionId};
pub use record::{Credential, Record};
pub use value::{MAX_DEPTH, MalformedValue};
