//! Key files for encryption at rest.

use super::{binary, run};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of keys in a folder of its own.
pub(crate) struct KeyFile {
    folder: TempDir,
}

/// A key: its number, and its line.
pub(crate) struct Key {
    pub(crate) number: String,
    pub(crate) line: String,
}

impl KeyFile {
    pub(crate) fn new(lines: &[&str]) -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        file.write(lines);
        file
    }

    /// Replaces its lines.
    pub(crate) fn write(&self, lines: &[&str]) {
        let new = self.folder.path().join("keys.new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new).unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// The flag that names it.
    pub(crate) fn flag(&self) -> String {
        format!("--encryption-keys={}", self.path().display())
    }
}

/// A new key, as the command makes it.
pub(crate) fn new_key() -> Key {
    let made = run(binary().args(["key", "create"]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let line = made.stdout.trim().to_owned();
    Key { number: line.split(' ').next().unwrap().to_owned(), line }
}

/// Whether a file below a folder has these bytes.
pub(crate) fn shows(folder: &Path, wanted: &[u8]) -> bool {
    let has = |file: &PathBuf| fs::read(file).unwrap().windows(wanted.len()).any(|window| window == wanted);
    super::files_below(folder).iter().any(has)
}
