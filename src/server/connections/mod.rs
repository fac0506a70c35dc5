//! From a bound address to HTTP/2.
//!
//! [`listener`] binds and [`accept`] takes connections; [`slots`] says how many may be open, of all and of one [`origin`], and
//! [`refusal`] closes one that gets none; [`offenders`] are origins whose connections wait before they are served. A [`worker`]
//! serves its connections: [`socket`] is the connection itself, [`turns`] say how they share the worker's time, [`http2`] is a
//! connection's life from the handshake to the end, and [`patience`] waits for the peer to close its side.

pub(super) mod accept;
pub(super) mod http2;
pub(super) mod listener;
mod offenders;
mod origin;
mod patience;
mod refusal;
pub(super) mod slots;
pub(super) mod socket;
pub(super) mod turns;
pub(super) mod worker;
