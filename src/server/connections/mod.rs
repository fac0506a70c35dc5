//! From a bound address to HTTP/2.
//!
//! [`listener`] binds and [`accept`] takes connections; [`slots`] says how many may be open. A [`worker`] serves its
//! connections: [`socket`] is the connection itself, [`http2`] its life from the handshake to the end.

pub(super) mod accept;
pub(super) mod http2;
pub(super) mod listener;
pub(super) mod slots;
pub(super) mod socket;
pub(super) mod worker;
