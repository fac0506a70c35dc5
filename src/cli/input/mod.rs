//! What commands are given: arguments that several of them share, attributes and secrets among them.
//!
//! [`args`] holds the shared arguments; [`assignment`] reads `NAME=VALUE`, with [`exact_json`] for the value. [`secret`] reads
//! an ID from an argument or from standard input. [`misplaced`] says where a flag belongs that stands before its command.

pub(super) mod args;
pub(super) mod assignment;
mod exact_json;
pub(super) mod misplaced;
pub(super) mod secret;
