//! Between the messages of the contract and what the session rules take and give.
//!
//! [`request`] checks every field of a request against its bound, [`answer`] encodes sessions, [`page_token`] makes and
//! reads page tokens. [`codec`] reads and writes the messages themselves.

pub(super) mod answer;
pub(crate) mod codec;
pub(super) mod page_token;
pub(super) mod request;
