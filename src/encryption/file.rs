//! Key files: what is wrong with one in words that help.

use super::KeyRing;
use crate::secret_file::{self, Kind};
use std::path::{Path, PathBuf};

const KEYS: Kind = Kind { one: "key", many: "keys", how_to_make: Some("make a key with sessiond key create") };

/// Why a key file can't be used: what is wrong, and what to do. It shows nothing of what stands in the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", .path.display())]
pub struct KeyFileError {
    path: PathBuf,
    problem: String,
}

impl KeyRing {
    /// Reads a key file: a key on each line, in base64 or hex, perhaps behind its number. Empty lines and lines that begin
    /// with `#` do not count. The first key encrypts, unless the word `plain` stands before it.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let read = secret_file::read(path, KEYS).and_then(|text| Self::parse(&text));
        read.map_err(|problem| KeyFileError { path: path.into(), problem })
    }
}
