//! The data folder: who may use it, and what an interrupted opening left in it.
//!
//! ```text
//! sessiond-data/
//!   lock     held by the process that uses the folder
//!   sled/    sled's files: db (the log), conf, snap.*, blobs/ (kept empty)
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A data folder that this process, and no other, uses until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process holds the folder.
    #[error("another process is using {0}; stop it, or choose another folder")]
    InUse(PathBuf),
    /// The folder can't be made or written to.
    #[error(
        "{0} is not a folder that can be written to ({1}); create it and give this user the right to write, or choose another folder"
    )]
    NotWritable(PathBuf, io::Error),
}

impl DataFolder {
    /// Makes the folder if it is missing, checks that it can be written to, and claims it.
    pub fn claim(path: &Path) -> Result<Self, FolderError> {
        let not_writable = |error| FolderError::NotWritable(path.into(), error);
        fs::create_dir_all(path.join("sled")).map_err(not_writable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.into())),
            Err(TryLockError::Error(error)) => Err(not_writable(error)),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where sled keeps its files.
    pub(super) fn sled_path(&self) -> PathBuf {
        self.path.join("sled")
    }

    /// A descriptor of sled's log of our own: syncing it is what makes a flush durable.
    pub(super) fn open_log_file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.sled_path().join("db"))
    }

    /// How many blob files sled has written. It should have none: they are not synced.
    pub(super) fn blob_files(&self) -> usize {
        fs::read_dir(self.sled_path().join("blobs")).map_or(0, Iterator::count)
    }

    /// What the folder's files take, in bytes.
    pub(super) fn disk_bytes(&self) -> u64 {
        let files = fs::read_dir(self.sled_path()).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
    }

    /// Removes snapshots that an interrupted opening left half written, with which sled would refuse to open.
    pub(super) fn clean_up_interrupted_open(&self) -> io::Result<()> {
        for file in fs::read_dir(self.sled_path())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "generating") {
                tracing::warn!(file = %path.display(), "an earlier start was interrupted; removing its unfinished snapshot");
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::claim(temp.path()).unwrap();
        let error = DataFolder::claim(temp.path()).unwrap_err();
        assert!(matches!(&error, FolderError::InUse(path) if path == temp.path()), "{error}");
        drop(folder);
        DataFolder::claim(temp.path()).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        fs::write(&path, "").unwrap();
        let error = DataFolder::claim(&path).unwrap_err().to_string();
        assert!(error.contains("data is not a folder that can be written to"), "{error}");
    }

    #[test]
    fn an_unfinished_snapshot_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::claim(temp.path()).unwrap();
        let unfinished = folder.sled_path().join("snap.0000000000000123.generating");
        let finished = folder.sled_path().join("snap.0000000000000100");
        fs::write(&unfinished, "half").unwrap();
        fs::write(&finished, "whole").unwrap();
        folder.clean_up_interrupted_open().unwrap();
        assert!(!unfinished.exists());
        assert!(finished.exists());
    }
}
