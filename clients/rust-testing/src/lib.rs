//! What the tests of the Rust client and its adapters share: a real sessiond, and a visitor of a site.

#![allow(clippy::unwrap_used, reason = "a harness that can't do its work fails the test")]

mod restartable;
mod server;
mod site;

pub use restartable::Restartable;
pub use server::{Server, binary, free_address};
pub use site::{Visitor, assert_quoted};
