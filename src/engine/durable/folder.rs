//! The data folder: which process uses it, and what an interrupted restore left in it.
//!
//! ```text
//! sessiond-data/
//!   lock          held by the process that uses the folder
//!   sled/         sled's files: db (the log), conf, snap.*, blobs/ (kept empty); and of ours
//!     acknowledged  how far the log was synced (see `sync_watermark`)
//! ```
//!
//! While a backup is restored there is a `sled.restoring/`, too. When it is complete, it becomes `sled/` in one step.
//! For a moment there is a `sled.replaced/` then, which holds no session. The next start removes what a crash leaves of
//! them.

use super::access;
use super::sled::housekeeping;
use crate::clock::CLOCK_FILE;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The folder of the files in use.
const SLED: &str = "sled";
/// The folder of the files that a restore builds.
const RESTORING: &str = "sled.restoring";
/// The folder of the files that a restore has just replaced.
const REPLACED: &str = "sled.replaced";

/// The file that the process using the folder has locked.
const LOCK: &str = "lock";

/// How long files may stay open after their engine was closed: a slow request may still read them.
const MAX_RELEASE: Duration = Duration::from_secs(60);

/// The pause between two checks whether they are still open.
const RELEASE_PAUSE: Duration = Duration::from_millis(5);

/// A data folder that this process, and no other, uses until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The name of the folder in it that sled uses.
    sled: &'static str,
    _lock: Arc<File>,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process holds the folder.
    #[error("another process is using {0}; stop it, or choose another folder")]
    InUse(PathBuf),
    /// The folder must be empty and is not.
    #[error("{0} is not empty; choose a folder that is empty or absent")]
    NotEmpty(PathBuf),
    /// The folder is no data folder, or can't be read.
    #[error("{0} can't be read as a data folder ({1})")]
    NotReadable(PathBuf, io::Error),
    /// The folder can't be created or used, because the disk has no space left.
    #[error("the disk of {0} is full; free some space there, or choose a folder on another disk")]
    DiskFull(PathBuf),
    /// The folder can't be made or written to.
    #[error(
        "{0} is not a folder that can be written to ({1}); create it and give this user the right to write, or choose another folder"
    )]
    NotWritable(PathBuf, io::Error),
}

impl FolderError {
    fn not_writable(path: &Path, error: io::Error) -> Self {
        if is_full(&error) { Self::DiskFull(path.into()) } else { Self::NotWritable(path.into(), error) }
    }
}

/// Whether the disk, or this user's quota, has no space left.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl DataFolder {
    /// Creates the folder if it is missing, checks that it can be written to, and claims it.
    pub fn claim(path: &Path) -> Result<Self, FolderError> {
        let folder = Self::lock(path)?;
        let made = access::make_folder(&folder.sled_path());
        made.map_err(|error| FolderError::not_writable(path, error))?;
        Ok(folder)
    }

    /// Like [`claim`](Self::claim), but only if nothing is stored in the folder.
    pub fn claim_empty(path: &Path) -> Result<Self, FolderError> {
        let folder = Self::lock(path)?;
        match fs::read_dir(folder.sled_path()).map(|mut files| files.next().is_none()) {
            Ok(false) => Err(FolderError::NotEmpty(path.into())),
            Ok(true) => Ok(folder),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(folder),
            Err(error) => Err(FolderError::not_writable(path, error)),
        }
    }

    /// Claims the folder and removes what an interrupted restore left in it.
    fn lock(path: &Path) -> Result<Self, FolderError> {
        let not_writable = |error| FolderError::not_writable(path, error);
        access::make_folder(path).map_err(not_writable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(access::PRIVATE_FILE)
            .open(path.join(LOCK))
            .map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(not_writable(error)),
        }
        let folder = Self { path: path.into(), sled: SLED, _lock: Arc::new(lock) };
        access::close_to_others(path, &[LOCK, CLOCK_FILE, SLED, RESTORING, REPLACED]);
        for leftover in [RESTORING, REPLACED] {
            if folder.remove(leftover).map_err(not_writable)? {
                tracing::warn!(folder = leftover, "a restore was interrupted; removed what it had built");
            }
        }
        Ok(folder)
    }

    /// Claims a folder that must not hold anything yet.
    pub(super) fn claim_new(path: &Path) -> Result<Self, FolderError> {
        Self::require_new(path)?;
        Self::claim(path)
    }

    /// Refuses a folder that holds anything.
    pub(super) fn require_new(path: &Path) -> Result<(), FolderError> {
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(FolderError::NotEmpty(path.into()));
        }
        Ok(())
    }

    /// Keeps servers out of an existing folder, without changing anything in it.
    pub(super) fn hold(path: &Path) -> Result<Option<File>, FolderError> {
        let unreadable = |error| FolderError::NotReadable(path.into(), error);
        fs::read_dir(path.join("sled")).map_err(unreadable)?;
        let lock = match File::open(path.join("lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.into())),
            Err(TryLockError::Error(error)) => Err(unreadable(error)),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where sled keeps its files.
    pub(super) fn sled_path(&self) -> PathBuf {
        self.path.join(self.sled)
    }

    /// The same folder with new, empty files for sled beside the files in use, which stay as they are.
    pub(crate) fn beside(&self) -> io::Result<Self> {
        let beside = Self { sled: RESTORING, ..self.clone() };
        beside.remove(RESTORING)?;
        access::make_folder(&beside.sled_path())?;
        Ok(beside)
    }

    /// Removes a folder that was created and then not used.
    pub fn abandon(&self) {
        for name in [LOCK, SLED] {
            let path = self.path.join(name);
            // A folder that is not empty stays.
            let removed = if name == LOCK { fs::remove_file(path) } else { fs::remove_dir(path) };
            removed.ok();
        }
        fs::remove_dir(&self.path).ok();
    }

    /// Removes the files that were built beside those in use.
    pub(crate) fn discard_beside(&self) -> io::Result<()> {
        self.remove(RESTORING).map(drop)
    }

    /// Replaces the files in use by those that were built beside them, in one durable step: after a crash either all
    /// new files are in use or none. The old files are lost, and must be closed.
    pub(crate) fn install_beside(&self) -> io::Result<()> {
        let [sled, replaced] = [SLED, REPLACED].map(|name| self.path.join(name));
        self.remove(REPLACED)?;
        match fs::rename(&sled, &replaced) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        fs::rename(self.path.join(RESTORING), sled)?;
        File::open(&self.path)?.sync_all()?;
        self.remove(REPLACED).map(drop)
    }

    /// Makes all files durable. No engine may have them open.
    pub(crate) fn sync_files(&self) -> io::Result<()> {
        let mut folders = vec![self.sled_path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else {
                    File::open(entry.path())?.sync_all()?;
                }
            }
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Waits until a closed engine has released its files. Requests that began before the close may still read them.
    pub(crate) fn wait_for_release(&self) -> io::Result<()> {
        let log = housekeeping::open_log(&self.sled_path())?;
        let began = Instant::now();
        loop {
            match log.try_lock() {
                Ok(()) => return log.unlock(),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if began.elapsed() > MAX_RELEASE => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "the data is still in use"));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(RELEASE_PAUSE),
            }
        }
    }

    /// Removes a folder in this one. Returns whether it was there.
    fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::remove_dir_all(self.path.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Makes the files and their names durable, because sled does not. It does not sync its settings when it creates
    /// them. And it writes a synced snapshot of what it finds in its log, even if the log itself is not synced.
    pub(super) fn sync(&self) -> io::Result<()> {
        for file in fs::read_dir(self.sled_path())? {
            match File::open(file?.path()) {
                Ok(file) => file.sync_all()?,
                // sled may have removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        File::open(self.sled_path())?.sync_all()?;
        File::open(&self.path)?.sync_all()?;
        // One level is enough, because journaling file systems keep the order in which folders are created. A parent
        // that this user can't read is old, since another user created it.
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new("."))).map_or(Ok(()), |parent| parent.sync_all())
    }
}

/// The bytes of the files in a folder.
pub(super) fn bytes_of(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
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
    fn what_an_interrupted_restore_left_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        for leftover in [RESTORING, REPLACED] {
            fs::create_dir_all(temp.path().join(leftover).join("blobs")).unwrap();
            fs::write(temp.path().join(leftover).join("db"), "half").unwrap();
        }
        let folder = DataFolder::claim_empty(temp.path()).unwrap();
        let names = || fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(names(), ["lock"]);
        let beside = folder.beside().unwrap();
        fs::write(beside.sled_path().join("db"), "whole").unwrap();
        folder.install_beside().unwrap();
        drop((folder, beside));
        assert_eq!(fs::read(temp.path().join("sled/db")).unwrap(), b"whole");
        assert!(matches!(DataFolder::claim_empty(temp.path()), Err(FolderError::NotEmpty(_))));
        DataFolder::claim(temp.path()).unwrap();
        assert_eq!(fs::read(temp.path().join("sled/db")).unwrap(), b"whole");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        fs::write(&path, "").unwrap();
        let error = DataFolder::claim(&path).unwrap_err().to_string();
        assert!(error.contains("data is not a folder that can be written to"), "{error}");
    }
}
