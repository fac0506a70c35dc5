//! Decides when a change is acknowledged, and when it is on disk.
//!
//! The caller's thread carries out a transaction: its rows go into the redo log's buffer and become visible to readers.
//! The sync thread writes the buffer and syncs it. With the durability `always`, the caller waits for that, and all
//! changes that arrive during one sync share the next one. When a generation of the redo log is full, the sync thread
//! ends it, and the checkpoint thread writes its rows back into sled.

mod checkpoint_thread;
mod sync_thread;

use super::checkpoint::Checkpoint;
use super::cold::{ColdRead, Loaded, Loader};
use super::committer::{Answered, Attempt, Committer};
use super::folder::DataFolder;
use super::redo::{self, Position};
use super::sync_watermark::WatermarkFile;
use super::watchdog::Progress;
use crate::engine::{EngineError, EngineFuture, Transaction};
use checkpoint_thread::CheckpointThread;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;
use sync_thread::SyncThread;
use tokio::sync::{Notify, oneshot, watch};

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Crash and power cut: every change is on disk before its answer.
    Always,
    /// A crash or a power cut loses at most the changes of the last flush interval.
    Interval,
    /// A crash loses about the last half second, a power cut any amount: the operating system writes when it likes.
    None,
}

/// With the durability `none`, changes go to the operating system after this time.
const UNPROMISED: Duration = Duration::from_millis(500);

/// Limits of what is kept in memory and in the redo log, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The size of the memtable at which a generation ends. At twice the size, changes wait.
    pub(super) memtable: usize,
    /// The size of the redo log's file at which a generation ends. At twice the size, changes wait.
    pub(super) redo: u64,
    /// The most changes that may wait to be written to the redo log. With more, changes wait.
    pub(super) waiting: usize,
    /// With so many changes that wait, they are written before they are due, while they are still in the processor's
    /// cache.
    pub(super) early: usize,
}

/// The least limits, in bytes: a smaller generation is hardly worth its end. A redo file is never shorter than twice
/// `MIN_REDO`.
const MIN_MEMTABLE: usize = 128 << 10;
const MIN_REDO: u64 = redo::GROWTH / 2;

impl Limits {
    /// The limits for a cache of this size. Under load there are two layers of rows, each up to twice the limit, so
    /// together they take their quarter of the cache.
    pub(super) fn of(cache_bytes: u64) -> Self {
        let memtable = usize::try_from(cache_bytes / 16).unwrap_or(usize::MAX).clamp(MIN_MEMTABLE, 256 << 20);
        Self { memtable, redo: 2 * memtable as u64, waiting: 16 << 20, early: 512 << 10 }
    }

    /// The same limits with a memtable and a redo generation of at most so many bytes.
    pub(super) fn at_most(self, bytes: u64) -> Self {
        let memtable = usize::try_from(bytes).unwrap_or(usize::MAX).max(MIN_MEMTABLE);
        Self { memtable: self.memtable.min(memtable), redo: self.redo.min(bytes.max(MIN_REDO)), ..self }
    }
}

/// Changes data for the engine.
pub(super) struct Writer {
    shared: Arc<Shared>,
    last_event: watch::Receiver<u64>,
}

/// Lets the watchdog ask for dead space to be given back.
#[derive(Clone)]
pub(super) struct Reclaimer(Weak<Shared>);

impl Reclaimer {
    /// Ends the generation now, so that it is written back and cleaned up, if that gives space back. Callers that wait
    /// for room check again.
    pub(super) fn reclaim(&self) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.room.notify_waiters();
        let mut state = shared.lock();
        let State { committer, sleep, .. } = &mut *state;
        if let Some(committer) = committer
            && committer.begin_reclaiming()
        {
            *sleep = Sleep::Awake;
            shared.work.notify_one();
        }
    }
}

impl std::fmt::Debug for Reclaimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reclaimer")
    }
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the sync thread.
    work: Condvar,
    /// Wakes the checkpoint thread, which waits for a sync.
    synced: Condvar,
    /// Wakes callers that found no room.
    room: Notify,
}

struct State {
    /// `None` once the data is released.
    committer: Option<Committer>,
    sleep: Sleep,
    closing: Option<oneshot::Sender<Result<(), EngineError>>>,
    /// How far the redo log is durable.
    synced: Position,
    /// Whether the checkpoint thread waits until the redo log is durable up to its end.
    is_sync_wanted: bool,
    /// Whether the sync thread syncs no more.
    has_stopped: bool,
    /// Whether the sync thread has ended.
    has_ended: bool,
}

/// What the sync thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// It waits for a change.
    UntilWork,
    /// It waits until changes are due for a sync, or too many.
    UntilDue,
}

/// The parts that a writer's threads need.
pub(super) struct Parts {
    pub(super) committer: Committer,
    pub(super) checkpoint: Checkpoint,
    pub(super) folder: DataFolder,
    pub(super) watermark: Arc<WatermarkFile>,
    /// The progress of the sync thread.
    pub(super) progress: Arc<Progress>,
    pub(super) flush_interval: Duration,
}

impl Writer {
    pub(super) fn start(parts: Parts, last_event: watch::Receiver<u64>) -> io::Result<Self> {
        let Parts { committer, checkpoint, folder, watermark, progress, flush_interval } = parts;
        let durability = committer.durability;
        let state = State {
            synced: committer.redo.end(),
            committer: Some(committer),
            sleep: Sleep::Awake,
            closing: None,
            is_sync_wanted: false,
            has_stopped: false,
            has_ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            synced: Condvar::new(),
            room: Notify::new(),
        });
        let (layers, to_write_back) = channel();
        let checkpoint = CheckpointThread {
            checkpoint,
            shared: Arc::clone(&shared),
            folder: folder.sled_path(),
            watermark: Arc::clone(&watermark),
        };
        let thread = thread::Builder::new().name("checkpoint".into());
        let checkpoint = thread.spawn(move || checkpoint.run(&to_write_back))?;
        let syncing = SyncThread {
            durability,
            flush_interval,
            shared: Arc::clone(&shared),
            layers,
            checkpoint,
            watermark,
            folder: folder.sled_path(),
            progress,
        };
        thread::Builder::new().name("sync".into()).spawn(move || syncing.run())?;
        Ok(Self { shared, last_event })
    }

    pub(super) fn reclaimer(&self) -> Reclaimer {
        Reclaimer(Arc::downgrade(&self.shared))
    }

    pub(super) fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.clone()
    }

    /// The bytes that wait to be written to the redo log, and those of its present generation.
    pub(super) fn redo_bytes(&self) -> (u64, u64) {
        let redo = |committer: &Committer| (committer.redo.waiting_bytes() as u64, committer.redo.end().bytes);
        self.shared.lock().committer.as_ref().map_or((0, 0), redo)
    }

    pub(super) fn commit<'a>(&'a self, transaction: Transaction<'a>, loader: &'a Loader) -> EngineFuture<'a> {
        match self.attempt(transaction, None) {
            Attempt::Decided(Ok(None)) => EngineFuture::done(Ok(())),
            Attempt::Decided(Ok(Some(answered))) => EngineFuture::under_way(answer(answered)),
            Attempt::Decided(Err(error)) => EngineFuture::done(Err(error)),
            Attempt::Missed(read) => EngineFuture::under_way(self.commit_later(transaction, loader, Some(read))),
            Attempt::NoRoom => EngineFuture::under_way(self.commit_later(transaction, loader, None)),
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

    /// Runs the transaction again until there is room for it and all that it reads is loaded.
    async fn commit_later(
        &self,
        transaction: Transaction<'_>,
        reads: &Loader,
        missed: Option<ColdRead>,
    ) -> Result<(), EngineError> {
        let mut loaded = Loaded::default();
        if let Some(read) = missed {
            loaded = reads.load(loaded, read).await?;
        }
        loop {
            let room = self.shared.room.notified();
            match self.attempt(transaction, Some(&loaded)) {
                Attempt::Decided(Ok(None)) => return Ok(()),
                Attempt::Decided(Ok(Some(answered))) => return answer(answered).await,
                Attempt::Decided(Err(error)) => return Err(error),
                Attempt::Missed(read) => loaded = reads.load(loaded, read).await?,
                Attempt::NoRoom => room.await,
            }
        }
    }

    /// Runs a transaction over memory and what was loaded for it.
    fn attempt(&self, transaction: Transaction<'_>, loaded: Option<&Loaded>) -> Attempt {
        let mut state = self.shared.lock();
        let State { committer, sleep, .. } = &mut *state;
        let Some(committer) = committer else { return Attempt::Decided(Err(EngineError::Stopped)) };
        if !committer.has_room() && !committer.has_failed {
            return Attempt::NoRoom;
        }
        let attempt = committer.commit(transaction, loaded);
        let wakes = match *sleep {
            Sleep::Awake => false,
            Sleep::UntilWork => committer.has_work(),
            Sleep::UntilDue => committer.is_urgent(),
        };
        if wakes {
            *sleep = Sleep::Awake;
            self.shared.work.notify_one();
        }
        attempt
    }
}

/// Waits until a change is on disk, or has failed.
async fn answer(answered: Answered) -> Result<(), EngineError> {
    answered.await.map_err(|_| EngineError::Stopped)?
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts no change any more.
    fn fail(&self, error: &EngineError) {
        if let Some(committer) = &mut self.lock().committer {
            committer.fail(error);
        }
        self.room.notify_waiters();
        self.work.notify_one();
        self.synced.notify_one();
    }
}
