//! What the engines promise to the session rules, what the rules make of it, and the formats of earlier versions.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod golden;
mod model;
