//! The gRPC face: checks and converts what comes in, calls the session rules, converts what goes out.
//!
//! [`store`] and [`admin`] list the methods; behind them there is a file for each family of methods. `request` checks the
//! input, `answer` makes the output, `status` makes every error.

mod admin;
mod answer;
mod background;
mod backup;
mod basics;
mod batch;
pub(crate) mod codec;
mod counts;
mod csrf;
mod directory;
pub(crate) mod door_status;
mod events;
mod exchange;
mod handoff;
mod intake;
mod locks;
mod page_token;
mod places;
mod protocol;
mod request;
mod restore;
mod status;
mod store;
mod stream;
mod verify;

pub use admin::AdminService;
pub use background::Background;
pub use exchange::Conversation;
pub use intake::Intake;
pub(crate) use places::STREAM_WINDOW;
pub use places::{Bounds, Held, Places, Share};
pub(crate) use protocol::{Carries, complete, refuse_foreign, unknown_method};
pub use request::RequestLimits;
pub use restore::{Restores, Swap};
pub use status::Refusal;
pub(crate) use status::call_timed_out;
pub use store::StoreService;
