//! When a change is answered, and when it is on disk.
//!
//! A transaction is carried out by the thread that brings it: its rows go into the redo log's buffer and before readers'
//! eyes. The syncing thread writes the buffer and syncs it. With the durability `always` whoever brought a change waits for
//! that, and all that came up during one sync share the next. When much has come together, the syncing thread ends the
//! generation of the redo log and has the checkpoint thread write its rows back into sled.

use super::checkpoint::Checkpoint;
use super::committer::{Answered, Committer, Group};
use super::folder::DataFolder;
use super::mark::MarkFile;
use super::memtable::Layer;
use super::redo::{self, Position, RedoFile, Write};
use super::watchdog::Progress;
use crate::engine::{EngineError, Transaction};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// When an answered change is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the answer: it survives a power cut.
    Always,
    /// At most this long after the answer: a crash or a power cut loses that much.
    Interval(Duration),
    /// When the operating system writes it: a crash of the process loses about half a second, a power cut any amount.
    None,
}

/// Without a promise, what was changed is given to the operating system so soon.
const UNPROMISED: Duration = Duration::from_millis(500);

/// How far the checkpoint may be ahead of what makes it necessary before it rests, in thousandths, and for how long.
const LEAD: u64 = 50;
const REST: Duration = Duration::from_millis(1);

/// How much may be kept in memory and in the redo log before something has to be done about it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Rows that are not written back; with twice as much, changes wait.
    pub(super) memtable: usize,
    /// A generation of the redo log; with twice as much, changes wait.
    pub(super) redo: u64,
    /// Changes that are not written to the redo log yet; with more, changes wait. With half of it they are written before
    /// their time.
    pub(super) waiting: usize,
}

impl Limits {
    /// What fits a cache of this size.
    pub(super) fn of(cache_bytes: u64) -> Self {
        let memtable = usize::try_from(cache_bytes / 8).unwrap_or(usize::MAX).clamp(4 << 20, 256 << 20);
        Self { memtable, redo: 2 * memtable as u64, waiting: 16 << 20 }
    }
}

/// The handle by which the engine changes data.
pub(super) struct Writer {
    shared: Arc<Shared>,
    last_event: watch::Receiver<u64>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the syncing thread.
    work: Condvar,
    /// Wakes those for whom there was no room.
    room: Notify,
}

struct State {
    /// `None` once the data is released.
    committer: Option<Committer>,
    sleep: Sleep,
    closing: Option<oneshot::Sender<Result<(), EngineError>>>,
    /// Whether the syncing thread has ended.
    has_ended: bool,
}

/// What the syncing thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// For a change.
    UntilWork,
    /// For the time to sync what has changed, unless there is too much of it before.
    UntilDue,
}

/// What the threads of a writer are made of.
pub(super) struct Parts {
    pub(super) committer: Committer,
    pub(super) checkpoint: Checkpoint,
    pub(super) folder: DataFolder,
    pub(super) mark: Arc<MarkFile>,
    /// Of the syncing thread.
    pub(super) progress: Arc<Progress>,
}

impl Writer {
    pub(super) fn start(parts: Parts, last_event: watch::Receiver<u64>) -> io::Result<Self> {
        let Parts { committer, checkpoint, folder, mark, progress } = parts;
        let durability = committer.durability;
        let state = State { committer: Some(committer), sleep: Sleep::Awake, closing: None, has_ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), room: Notify::new() });
        let (layers, to_write_back) = channel();
        let checkpoint = CheckpointThread {
            checkpoint,
            shared: Arc::clone(&shared),
            folder: folder.sled_path(),
            mark: Arc::clone(&mark),
        };
        let thread = thread::Builder::new().name("checkpoint".into());
        let checkpoint = thread.spawn(move || checkpoint.run(&to_write_back))?;
        let syncing = SyncThread {
            durability,
            shared: Arc::clone(&shared),
            layers,
            checkpoint,
            mark,
            folder: folder.sled_path(),
            progress,
        };
        thread::Builder::new().name("sync".into()).spawn(move || syncing.run())?;
        Ok(Self { shared, last_event })
    }

    pub(super) fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.clone()
    }

    pub(super) async fn commit(&self, mut transaction: Transaction) -> Result<(), EngineError> {
        let answered = match self.commit_at_once(&mut transaction) {
            Some(begun) => begun?,
            None => self.commit_with_room(&mut transaction).await?,
        };
        match answered {
            None => Ok(()),
            Some(answered) => answered.await.map_err(|_| EngineError::Stopped)?,
        }
    }

    pub(super) async fn close(&self) -> Result<(), EngineError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            if state.has_ended {
                return Err(EngineError::Stopped);
            }
            state.closing = Some(answer);
        }
        self.shared.work.notify_one();
        answered.await.map_err(|_| EngineError::Stopped)?
    }

    async fn commit_with_room(&self, transaction: &mut Transaction) -> Result<Option<Answered>, EngineError> {
        loop {
            let room = self.shared.room.notified();
            if let Some(begun) = self.commit_at_once(transaction) {
                return begun;
            }
            room.await;
        }
    }

    /// Carries a transaction out; `None` if there is no room for it.
    fn commit_at_once(&self, transaction: &mut Transaction) -> Option<Result<Option<Answered>, EngineError>> {
        let mut state = self.shared.lock();
        let State { committer, sleep, .. } = &mut *state;
        let Some(committer) = committer else { return Some(Err(EngineError::Stopped)) };
        if !committer.has_room() && !committer.has_failed {
            return None;
        }
        let begun = committer.commit(transaction);
        let wakes = match *sleep {
            Sleep::Awake => false,
            Sleep::UntilWork => committer.has_work(),
            Sleep::UntilDue => committer.is_urgent(),
        };
        if wakes {
            *sleep = Sleep::Awake;
            self.shared.work.notify_one();
        }
        Some(begun)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts nothing any more.
    fn fail(&self, error: &EngineError) {
        if let Some(committer) = &mut self.lock().committer {
            committer.fail(error);
        }
        self.room.notify_waiters();
        self.work.notify_one();
    }
}

struct SyncThread {
    durability: Durability,
    shared: Arc<Shared>,
    /// To the checkpoint.
    layers: Sender<Ended>,
    checkpoint: JoinHandle<Option<Checkpoint>>,
    mark: Arc<MarkFile>,
    folder: PathBuf,
    progress: Arc<Progress>,
}

/// A generation that has ended, and is synced.
struct Ended {
    generation: u64,
    rows: Arc<Layer>,
}

impl SyncThread {
    fn run(self) {
        let mut buffer = Vec::new();
        while let Some(group) = self.next_group(&mut buffer) {
            match self.sync(group) {
                Ok(empty) => buffer = empty,
                Err(error) => {
                    self.shared.fail(&error);
                    break;
                }
            }
        }
        self.end();
    }

    /// Waits until something has to be synced; `None` once the engine is to be closed and nothing is left.
    fn next_group(&self, buffer: &mut Vec<u8>) -> Option<Group> {
        let mut state = self.shared.lock();
        loop {
            let is_closing = state.closing.is_some();
            let committer = state.committer.as_mut().filter(|committer| !committer.has_failed)?;
            committer.is_syncing = false;
            let wait = match self.due(committer) {
                _ if is_closing && committer.redo.waiting_bytes() == 0 => return None,
                _ if is_closing => Some(Duration::ZERO),
                wait => wait,
            };
            if wait == Some(Duration::ZERO) {
                return Some(committer.take_group(std::mem::take(buffer)));
            }
            state.sleep = if wait.is_none() { Sleep::UntilWork } else { Sleep::UntilDue };
            state = match wait {
                None => self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => self.shared.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.sleep = Sleep::Awake;
        }
    }

    /// How long until something has to be synced; `None` if there is nothing.
    fn due(&self, committer: &Committer) -> Option<Duration> {
        if committer.is_urgent() {
            return Some(Duration::ZERO);
        }
        let within = match self.durability {
            Durability::Always => return (!committer.waiting.is_empty()).then_some(Duration::ZERO),
            Durability::Interval(interval) => interval,
            Durability::None => UNPROMISED,
        };
        committer.unsynced_since.map(|since| within.saturating_sub(since.elapsed()))
    }

    /// Writes a group, makes it durable as promised, and answers it. Returns the empty buffer.
    fn sync(&self, group: Group) -> Result<Vec<u8>, EngineError> {
        let Group { write, answers, last_event, ended } = group;
        let end = write.end;
        // What ends a generation is written into sled next, which must not be ahead of the log.
        let must_sync = self.durability != Durability::None || ended.is_some();
        self.progress.begin();
        let written = self.write(write, must_sync, last_event);
        self.progress.end();
        let answer = written.as_ref().map(drop).map_err(EngineError::clone);
        if answer.is_ok() && self.durability == Durability::Always {
            let state = self.shared.lock();
            if let Some(committer) = &state.committer {
                committer.tell(last_event, answers.len() as u64);
            }
        }
        for waiting in answers {
            // The caller may have gone.
            waiting.send(answer.clone()).ok();
        }
        if let (Ok(_), Some(rows)) = (&written, ended) {
            let sent = self.layers.send(Ended { generation: end.generation, rows });
            sent.map_err(|_| EngineError::Stopped)?;
        }
        self.shared.room.notify_waiters();
        written
    }

    fn write(&self, write: Write, sync: bool, last_event: u64) -> Result<Vec<u8>, EngineError> {
        let end = write.end;
        let buffer = write.carry_out(sync)?;
        if sync {
            self.mark.update(|mark| (mark.redo, mark.last_event) = (end, last_event))?;
        }
        Ok(buffer)
    }

    /// Once no more is to be synced: writes everything back, unless something failed.
    fn end(self) {
        // The checkpoint finishes what it is at.
        drop(self.layers);
        let checkpoint = self.checkpoint.join().ok().flatten();
        let (committer, closing) = {
            let mut state = self.shared.lock();
            state.has_ended = true;
            (state.committer.take_if(|committer| !committer.has_failed), state.closing.take())
        };
        self.shared.room.notify_waiters();
        let closed = match (committer, checkpoint) {
            (Some(committer), Some(checkpoint)) => {
                self.progress.begin();
                let closed = close(&committer, checkpoint, &self.mark, &self.folder);
                self.progress.end();
                closed
            }
            _ => Err(EngineError::Stopped),
        };
        if let Some(closing) = closing {
            // The closer may have given up waiting.
            closing.send(closed).ok();
        }
    }
}

/// Writes everything back and releases the data, so that the folder can be opened again at once.
fn close(committer: &Committer, mut checkpoint: Checkpoint, mark: &MarkFile, folder: &Path) -> Result<(), EngineError> {
    checkpoint.write_all_back()?;
    Ok(redo::empty(folder, mark, committer.redo.end().generation + 1)?)
}

/// Writes generations back that have ended.
struct CheckpointThread {
    checkpoint: Checkpoint,
    shared: Arc<Shared>,
    mark: Arc<MarkFile>,
    folder: PathBuf,
}

impl CheckpointThread {
    /// Works until there is nothing more to come, and hands over what it works with; `None` if it failed.
    fn run(mut self, ended: &Receiver<Ended>) -> Option<Checkpoint> {
        while let Ok(generation) = ended.recv() {
            if let Err(error) = self.write_back(&generation) {
                self.shared.fail(&error);
                return None;
            }
        }
        Some(self.checkpoint)
    }

    fn write_back(&mut self, ended: &Ended) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        self.checkpoint.write_back(&ended.rows, |done| shared.rest(done))?;
        self.checkpoint.tables.memtable.forget_frozen();
        let progress = Arc::clone(&self.checkpoint.progress);
        progress.begin();
        let next = self.use_again(ended.generation)?;
        progress.end();
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.next_file = Some(next);
        }
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
        Ok(())
    }

    /// Makes the file of a generation that is written back that of the one after the next.
    fn use_again(&self, generation: u64) -> io::Result<(u64, RedoFile)> {
        let needed = Position { generation: generation + 1, bytes: 0 };
        self.mark.update(|mark| mark.redo = mark.redo.max(needed))?;
        // It must not name the old file after a power cut.
        self.mark.sync()?;
        let next = generation + 2;
        Ok((next, RedoFile::make(&self.folder, next, Some(generation))?))
    }
}

impl Shared {
    /// Lets others have the processor, as long as the checkpoint is ahead of what makes it necessary.
    fn rest(&self, done: u64) {
        let ahead = {
            let state = self.lock();
            let filled = state.committer.as_ref().map_or(1_000, Committer::filled);
            state.closing.is_none() && done > filled + LEAD
        };
        if ahead {
            thread::sleep(REST);
        }
    }
}
