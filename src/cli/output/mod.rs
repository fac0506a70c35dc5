//! What commands print: reports, tables, progress and failures.
//!
//! [`report`] is the result of a command for people and for scripts, [`failure`] why it failed and its exit code. [`units`]
//! puts numbers and moments into words; [`printable`] makes the text of others fit for a terminal.

pub(super) mod failure;
pub(super) mod progress;
pub(super) mod report;
pub(super) mod table;
pub(super) mod units;
