//! Tests of the promises to operators: start, end, health, command line, clock, and who may read the files.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what can't be set up fails the test")]

mod bench;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod health;
mod private_files;
mod shutdown;
mod service_manager;
mod startup;
mod time;
