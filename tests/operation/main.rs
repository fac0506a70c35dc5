//! Tests of the promises to operators: start, end, upgrade, health, doctor, metrics, console, TLS, command line, clock, and who may read the files.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what can't be set up fails the test")]

mod access;
mod bench;
mod calls;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod console;
mod doctor;
mod generated;
mod health;
mod metrics;
mod private_files;
mod service_manager;
mod shutdown;
mod startup;
mod time;
mod tls;
mod upgrade;
