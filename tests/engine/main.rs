//! Tests of what engines promise to the session rules, of the rules on top of them, and of the formats of earlier
//! versions.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod encryption;
mod golden;
mod model;
