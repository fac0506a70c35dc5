//! Tests with many sessions, many callers, and hostile callers. The long tests are here.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what can't be set up fails the test; it reports figures")]

mod bulk;
#[path = "../common/mod.rs"]
mod common;
mod growth;
mod hostile;
mod large_backup;
mod linearizability;
mod pressure;
