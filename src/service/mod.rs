//! The gRPC face: checks and converts what comes in, calls the session rules, converts what goes out.
//!
//! A request enters in [`store`], which lists the methods of `SessionStore`, or in [`admin`]. Its work is done in [`unary`],
//! [`streams`] or [`exchange`]. All of them check and convert by [`convert`] and make their errors by [`errors`];
//! [`in_flight`] is the budget that bounds what a server takes on, [`guesses`] slows down whoever looks for IDs, [`call_counts`] counts calls for [`snapshot`] and those who
//! watch the server.

mod admin;
mod call_counts;
pub(crate) mod convert;
pub(crate) mod errors;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guesses;
mod in_flight;
mod snapshot;
mod store;
mod streams;
mod unary;

pub use admin::AdminService;
pub use admin::restore::{Restores, Swap};
pub use call_counts::{CallCounts, CallTotals, Lane, Rpc};
pub(crate) use convert::request::MAX_PRINCIPAL_BYTES;
pub use convert::request::RequestLimits;
pub(crate) use errors::counters::errors_by_reason;
pub(crate) use errors::grpc::{Payload, add_reason, code_name, refuse_other_protocols, unknown_method};
pub use errors::status::Refusal;
pub(crate) use errors::status::call_timed_out;
pub use exchange::ExchangeStream;
pub(crate) use in_flight::budget::STREAM_WINDOW;
pub use in_flight::budget::{Bounds, Budget, Held, Share};
pub use in_flight::open_calls::OpenCall;
pub use in_flight::received::ReceivedMessages;
pub use snapshot::Snapshot;
pub use store::{CallerRules, StoreService};
pub use streams::background::Background;
