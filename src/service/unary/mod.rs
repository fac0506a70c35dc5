//! The methods of `SessionStore` with one request and one answer: a file for each family.
//!
//! [`session_calls`] holds those that most requests are; exchange streams ([`exchange`](super::exchange)) use them too.

mod batch;
mod csrf;
mod directory;
mod handoff;
mod locks;
mod session_calls;
