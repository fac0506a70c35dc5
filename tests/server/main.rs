//! Tests of the promises to callers: the calls, their answers and errors, against a real server.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

mod batch;
mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod compression;
mod csrf;
mod directory;
mod encoding;
mod events;
mod exchange;
mod expiry;
mod frameworks;
mod handoff;
mod limits;
mod locks;
mod message_size;
mod other_input;
mod policies;
mod races;
mod sealed;
mod secrecy;
mod session_input;
mod sessions;
mod statistics;
mod wire_errors;
