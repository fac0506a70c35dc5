//! The one door by which the fuzz targets of `fuzz/` reach what decodes bytes.
//!
//! There is a function for each family of bytes. It takes any bytes at all, and panics only if the server is at fault: if a
//! decoder panics, if what was read is not the same when it is written and read again, or if two decoders disagree. Where a
//! checksum would keep out all but a few inputs, the first byte of the input says whether the others are taken as they are or
//! get the right checksum here first.
//!
//! Each function stands with the code that it tries. The module is there for cargo-fuzz and for tests, and for nobody else.

mod input;
mod json;
#[cfg(test)]
mod replay;
mod secrets;
#[cfg(test)]
mod seeds;
mod values;

pub(crate) use input::Input;

use std::fs;
use std::path::PathBuf;

/// A fuzz target: its name, and what it does with some bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its file in `fuzz/fuzz_targets`.
pub const TARGETS: &[Target] = &[
    ("access", access),
    ("backup", backup),
    ("calls", calls),
    ("clock", clock),
    ("encryption", encryption),
    ("json", json),
    ("messages", messages),
    ("pages", pages),
    ("redo", redo),
    ("restore", restore),
    ("rows", rows),
    ("secrets", secrets),
    ("settings", settings),
    ("values", values),
];

/// The access file, the token file, and the header with a token.
pub fn access(input: &[u8]) {
    crate::authorization::fuzzing::access(input);
}

/// A backup, as a reader reads it.
pub fn backup(input: &[u8]) {
    crate::backup::fuzzing::backup(input);
}

/// Calls of an exchange stream, from the message to the replies.
pub fn calls(input: &[u8]) {
    crate::service::fuzzing::calls(input);
}

/// The clock file and the sync watermark.
pub fn clock(input: &[u8]) {
    crate::clock::fuzzing::clock(input);
    crate::engine::fuzzing::watermark(input);
}

/// Key files, and what is encrypted at rest.
pub fn encryption(input: &[u8]) {
    crate::encryption::fuzzing::encryption(input);
}

/// JSON of the command line.
pub fn json(input: &[u8]) {
    json::json(input);
}

/// Every other request of the contract, from the message to the answer.
pub fn messages(input: &[u8]) {
    crate::service::fuzzing::messages(input);
}

/// sled's files, as they are read without sled.
pub fn pages(input: &[u8]) {
    crate::engine::fuzzing::pages(input);
}

/// The redo log.
pub fn redo(input: &[u8]) {
    crate::engine::fuzzing::redo(input);
}

/// A backup, as it is restored into a data folder.
pub fn restore(input: &[u8]) {
    crate::backup::fuzzing::restored(input);
}

/// Stored rows: records, events, leaves, index rows, keys.
pub fn rows(input: &[u8]) {
    crate::engine::fuzzing::rows(input);
}

/// Session IDs, handles, tickets, and all kinds of tokens.
pub fn secrets(input: &[u8]) {
    secrets::secrets(input);
}

/// Settings files and variables.
pub fn settings(input: &[u8]) {
    crate::config::fuzzing::settings(input);
}

/// Attributes and values.
pub fn values(input: &[u8]) {
    values::values(input);
}

/// A folder that is removed when its thread ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        // What makes such folders for tests is no library of the server.
        let name = format!("sessiond-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name.replace(['(', ')'], ""));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

thread_local! {
    static SCRATCH: Scratch = Scratch::new();
}

/// A folder for files. It may hold those of an earlier input.
pub(crate) fn scratch() -> PathBuf {
    SCRATCH.with(|folder| folder.0.clone())
}

/// A problem that is shown to people must be one line, and say something.
pub(crate) fn check_line(problem: &str) {
    assert!(!problem.trim().is_empty(), "a problem that says nothing");
    assert!(!problem.contains(char::is_control), "a problem of several lines: {problem:?}");
}
