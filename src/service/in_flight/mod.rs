//! Requests in flight, and the memory that messages take: how much there may be, and who holds how much of it.
//!
//! [`budget`] is the budget of the process and the share of each connection; [`received`] is what a call holds of it whose
//! messages come as a stream; [`open_calls`] is what calls take beside their messages, [`waiting`] those who wait for room.

pub(super) mod budget;
pub(super) mod open_calls;
pub(super) mod received;
mod waiting;
