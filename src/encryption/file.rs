//! Key files: what is wrong with one in words that help.

use super::KeyRing;
use rustix::fs::OFlags;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The permission bits of whoever is neither the owner nor in the group of a file.
const OTHERS: u32 = 0o007;

/// No key file is larger, in bytes.
const MAX_FILE: u64 = 64 << 10;

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
        let problem = |problem: &dyn fmt::Display| KeyFileError { path: path.into(), problem: problem.to_string() };
        let unreadable = |error| {
            problem(&format_args!(
                "can't be read ({error}); check its path and its mode, or make a key with sessiond key create"
            ))
        };
        // Opening a pipe would otherwise wait for its writer.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(problem(&"is no file; name a file of keys"));
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(problem(&format_args!(
                "is open to every user (mode {mode:04o}); take that away with chmod 0600, and use another key if somebody \
                 may have read it"
            )));
        }
        let mut text = String::new();
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
        if read.is_err() || text.len() as u64 > MAX_FILE {
            return Err(problem(&"is no file of keys; name one with a key on each line"));
        }
        Self::parse(&text).map_err(|error| problem(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::new_key;
    use std::fs::{self, Permissions};

    #[test]
    fn a_file_must_be_there_and_readable_for_few() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("keys");
        let error = |path: &Path| KeyRing::load(path).unwrap_err().to_string();
        assert!(error(&path).contains("keys can't be read"), "{}", error(&path));
        assert!(error(temp.path()).ends_with("is no file; name a file of keys"));
        fs::write(&path, new_key().1).unwrap();
        for (mode, is_allowed) in [(0o604, false), (0o644, false), (0o602, false), (0o600, true), (0o440, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match KeyRing::load(&path) {
                Ok(_) => assert!(is_allowed, "{mode:o}"),
                Err(error) => {
                    assert!(!is_allowed && error.to_string().contains(&format!("(mode {mode:04o})")), "{error}");
                }
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0xff; 40]).unwrap();
        assert!(error(&path).contains("is no file of keys"));
        fs::write(&path, "#".repeat(70_000)).unwrap();
        assert!(error(&path).contains("is no file of keys"));
    }
}
