//! The file of the audit log. A thread of its own writes it, so that a disk that hangs keeps no call waiting.

use super::audit::TARGET;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

/// Lines that wait to be written, at most. More are told in the ordinary log.
const QUEUE: usize = 4_096;

/// Who may read the file, if it is made here.
const MODE: u32 = 0o600;

/// Where lines are handed over to be written. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct AuditFile {
    orders: SyncSender<Order>,
    failures: Arc<AtomicU64>,
}

/// What the thread is to do.
enum Order {
    Write(String),
    Reopen,
    /// Tell when all before it is done.
    Finish(std::sync::mpsc::Sender<()>),
}

impl AuditFile {
    /// Opens the file and starts the thread. The error says what is wrong and what to do.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = open(path)?;
        let (orders, received) = sync_channel(QUEUE);
        let failures = Arc::new(AtomicU64::new(0));
        let writer = Writer { path: path.to_owned(), file, is_torn: false, failures: Arc::clone(&failures) };
        let started = thread::Builder::new().name("audit-log".into()).spawn(move || writer.run(&received));
        started.map_err(|error| format!("the thread that writes it can't be started ({error}); allow more threads"))?;
        Ok(Self { orders, failures })
    }

    /// Hands over a line with its end.
    pub(super) fn write(&self, line: String) {
        if let Err(error) = self.orders.try_send(Order::Write(line)) {
            let (std::sync::mpsc::TrySendError::Full(order) | std::sync::mpsc::TrySendError::Disconnected(order)) =
                error;
            if let Order::Write(line) = order {
                tell_failure(&self.failures, &line, &"it takes too long to write it");
            }
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn reopen_at_hangup(&self) -> io::Result<AbortOnDropHandle<()>> {
        let (mut hangups, orders) = (signal(SignalKind::hangup())?, self.orders.clone());
        Ok(AbortOnDropHandle::new(tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                // With a full queue the disk hangs, and what is written then goes to the file as it was.
                orders.try_send(Order::Reopen).ok();
            }
        })))
    }

    /// Waits until all lines so far are written, but no longer than this.
    pub(super) fn finish(&self, within: Duration) {
        let (done, finished) = channel();
        if self.orders.try_send(Order::Finish(done)).is_err() || finished.recv_timeout(within).is_err() {
            tracing::error!("the last lines of the audit log could not be written in time");
        }
    }
}

/// The thread that writes the file.
struct Writer {
    path: PathBuf,
    file: File,
    /// The file may end in a part of a line.
    is_torn: bool,
    failures: Arc<AtomicU64>,
}

impl Writer {
    /// Writes until nobody can hand over lines any more.
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Write(line) => self.write(line),
                Order::Reopen => match open(&self.path) {
                    Ok(file) => (self.file, self.is_torn) = (file, false),
                    Err(problem) => tracing::error!(
                        path = %self.path.display(), problem,
                        "the audit log can't be opened again; its lines go to the file that was open"
                    ),
                },
                // Nobody may wait any more.
                Order::Finish(done) => done.send(()).unwrap_or_default(),
            }
        }
    }

    /// Adds a line in one write, so that several processes can add to the same file.
    fn write(&mut self, mut line: String) {
        if self.is_torn {
            line.insert(0, '\n');
        }
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.is_torn = false,
            Err(error) => {
                self.is_torn = true;
                tell_failure(&self.failures, &line, &error);
            }
        }
    }
}

/// A line that the file does not get is not lost: the ordinary log does.
fn tell_failure(failures: &AtomicU64, line: &str, error: &dyn std::fmt::Display) {
    failures.fetch_add(1, Ordering::Relaxed);
    tracing::error!(%error, "the audit log can't be written; its lines go to this log");
    tracing::info!(target: TARGET, line = line.trim(), "not in the audit log");
}

fn open(path: &Path) -> Result<File, String> {
    let remedy = if path.is_dir() {
        "name a file in it"
    } else {
        "create its folder, or choose a path that the server's user can write"
    };
    // Opening a pipe would otherwise wait for its reader.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).custom_flags(flags);
    let file = options.open(path).map_err(|error| format!("{} can't be opened ({error}); {remedy}", path.display()))?;
    let kind = file.metadata().map_err(|error| format!("{} can't be looked at ({error})", path.display()))?.file_type();
    if kind.is_file() || kind.is_char_device() {
        Ok(file)
    } else {
        Err(format!("{} is no file; {remedy}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn lines_are_added_and_a_renamed_file_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
        fs::write(&path, "before\n").unwrap();
        let file = AuditFile::open(&path).unwrap();
        file.write("one\n".into());
        file.finish(SOON);
        fs::rename(&path, &old).unwrap();
        file.write("two\n".into());
        file.orders.send(Order::Reopen).unwrap();
        file.write("three\n".into());
        file.finish(SOON);
        assert_eq!(fs::read_to_string(&old).unwrap(), "before\none\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(file.failures(), 0);
    }

    #[test]
    fn a_file_that_can_not_be_opened_again_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let file = AuditFile::open(&path).unwrap();
        fs::rename(&path, &old).unwrap();
        fs::create_dir(&path).unwrap();
        file.orders.send(Order::Reopen).unwrap();
        file.write("one\n".into());
        file.finish(SOON);
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\n");
    }

    #[test]
    fn lines_that_can_not_be_written_are_counted() {
        let file = AuditFile::open(Path::new("/dev/full")).unwrap();
        file.write("one\n".into());
        file.write("two\n".into());
        file.finish(SOON);
        assert_eq!(file.failures(), 2);
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let told = AuditFile::open(folder.path()).unwrap_err();
        assert!(told.contains("can't be opened (Is a directory") && told.ends_with("; name a file in it"), "{told}");
        let told = AuditFile::open(&folder.path().join("no/audit")).unwrap_err();
        assert!(told.ends_with("; create its folder, or choose a path that the server's user can write"), "{told}");
    }
}
