//! The gRPC face: checks and converts what comes in, calls the session rules, converts what goes out.

mod answer;
mod request;
mod status;
mod store;

pub use request::RequestLimits;
pub use status::Refusal;
pub use store::StoreService;
