//! A system clock that a test sets. libfaketime is preloaded into the server.
//!
//! Only the time of day is faked. Elapsed time stays real, as when an administrator or NTP sets the clock.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder in which Debian and others keep the library, each architecture in its own subfolder.
const LIBRARIES: &str = "/usr/lib";

/// The library for programs with many threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The system clock of one server while it runs.
pub(crate) struct FakeTime {
    /// Says how far the clock is off; the library reads it at each look at the clock.
    file: PathBuf,
    _folder: TempDir,
}

impl FakeTime {
    /// A clock that is off by so many seconds at first.
    pub(crate) fn off_by(seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { file: folder.path().join("time"), _folder: folder };
        this.set_off_by(seconds);
        this
    }

    /// Sets the clock: it is off by so many seconds from now on.
    pub(crate) fn set_off_by(&self, seconds: i64) {
        // The file changes in one step, because the library may read it at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// What a process needs in its environment to have this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let library =
            find_library(Path::new(LIBRARIES)).expect("libfaketime is installed (apt-get install libfaketime)");
        let variables = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

fn find_library(libraries: &Path) -> Option<PathBuf> {
    let architectures = fs::read_dir(libraries).ok()?.flatten().map(|entry| entry.path());
    [libraries.to_owned()]
        .into_iter()
        .chain(architectures)
        .map(|folder| folder.join(LIBRARY))
        .find(|path| path.exists())
}
