//! What the server as a whole does beside serving connections.
//!
//! [`storage`] opens the engine and [`serving`] puts the sessions in it to work, or a restored engine in its place.
//! [`access`] renews the rules of access. [`health`] tells how the server is, [`sweeper_watch`] whether the sweeper keeps up. [`timekeeper`] keeps the time of
//! the sessions. [`policies`] turns the settings into what the session rules take.

mod access;
pub(super) mod health;
pub(super) mod policies;
pub(super) mod serving;
pub(super) mod storage;
mod sweeper_watch;
pub(super) mod timekeeper;
