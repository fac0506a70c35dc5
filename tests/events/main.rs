//! The stream of events: each once, in order, across crashes; and watchers that harm nobody.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod kept;
mod slow;
mod telling;
mod watching;
