//! The one thread that changes the data. It carries out waiting transactions in groups, makes each group durable with one
//! sync, and answers them together.

use super::log::Log;
use super::tables::Tables;
use super::watchdog::Progress;
use crate::engine::follow::Followers;
use crate::engine::{Draft, EngineError, EngineStatus, Outcome, Transaction};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Transactions that may wait for the writer; further callers wait for a place.
const MAX_QUEUED: usize = 16_384;

/// Transactions that share one sync, at most.
const MAX_GROUP: usize = 1_024;

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

/// The handle by which the engine reaches the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Message>,
    places: Arc<Semaphore>,
    progress: Arc<Progress>,
    last_event: watch::Receiver<u64>,
}

enum Message {
    Commit(Waiting),
    Close(oneshot::Sender<Result<(), EngineError>>),
}

struct Waiting {
    transaction: Transaction,
    answer: oneshot::Sender<Result<(), EngineError>>,
    _place: OwnedSemaphorePermit,
}

impl Writer {
    pub(super) fn start(
        log: Log,
        tables: Tables,
        durability: Durability,
        status: Arc<watch::Sender<EngineStatus>>,
        low_space: Arc<AtomicBool>,
        is_damaged: bool,
        followers: Followers,
    ) -> io::Result<Self> {
        let (queue, messages) = channel();
        let progress = Arc::new(Progress::default());
        let (last_event_sender, last_event) = watch::channel(tables.ledger().last_sequence);
        let thread = WriterThread {
            log,
            tables,
            durability,
            status,
            low_space,
            is_damaged,
            followers,
            messages,
            progress: Arc::clone(&progress),
            unsynced_since: None,
            last_event: last_event_sender,
        };
        thread::Builder::new().name("writer".into()).spawn(move || thread.run())?;
        Ok(Self { queue, places: Arc::new(Semaphore::new(MAX_QUEUED)), progress, last_event })
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    pub(super) fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.clone()
    }

    pub(super) async fn commit(&self, transaction: Transaction) -> Result<(), EngineError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| EngineError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { transaction, answer, _place: place };
        self.queue.send(Message::Commit(waiting)).map_err(|_| EngineError::Stopped)?;
        answered.await.map_err(|_| EngineError::Stopped)?
    }

    pub(super) async fn close(&self) -> Result<(), EngineError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Message::Close(answer)).map_err(|_| EngineError::Stopped)?;
        answered.await.map_err(|_| EngineError::Stopped)?
    }
}

struct WriterThread {
    log: Log,
    tables: Tables,
    durability: Durability,
    status: Arc<watch::Sender<EngineStatus>>,
    /// Kept by the watchdog.
    low_space: Arc<AtomicBool>,
    /// Whether a part of the folder could not be read at opening, so that each change must first look where it goes.
    is_damaged: bool,
    followers: Followers,
    messages: Receiver<Message>,
    progress: Arc<Progress>,
    /// When the oldest change was made that is not synced yet.
    unsynced_since: Option<Instant>,
    /// Tells watchers how far they may read.
    last_event: watch::Sender<u64>,
}

impl WriterThread {
    fn run(mut self) {
        let closing = loop {
            match self.next() {
                Ok(Message::Commit(first)) => {
                    self.progress.begin();
                    let (group, closing) = self.gather(first);
                    let carried_out = self.carry_out(group);
                    self.progress.end();
                    match (carried_out, closing) {
                        // Nothing more may be acknowledged: what sled holds in memory and on disk may differ now.
                        (Err(()), _) => return,
                        (Ok(()), Some(answer)) => break Some(answer),
                        (Ok(()), None) => {}
                    }
                }
                Ok(Message::Close(answer)) => break Some(answer),
                Err(RecvTimeoutError::Timeout) => {
                    self.progress.begin();
                    let synced = self.sync_if_due();
                    self.progress.end();
                    if let Err(error) = synced {
                        return self.fail(&error);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        let synced = self.sync();
        // sled is released before the answer, so that the folder can be opened again at once.
        drop(self);
        if let Some(answer) = closing {
            // The closer may have given up waiting.
            answer.send(synced).ok();
        }
    }

    fn next(&self) -> Result<Message, RecvTimeoutError> {
        match (self.durability, self.unsynced_since) {
            (Durability::Interval(interval), Some(since)) => {
                self.messages.recv_timeout(interval.saturating_sub(since.elapsed()))
            }
            _ => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Takes what waits already; a group never waits for more.
    fn gather(&self, first: Waiting) -> (Vec<Waiting>, Option<oneshot::Sender<Result<(), EngineError>>>) {
        let mut group = vec![first];
        while group.len() < MAX_GROUP {
            match self.messages.try_recv() {
                Ok(Message::Commit(waiting)) => group.push(waiting),
                Ok(Message::Close(answer)) => return (group, Some(answer)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Carries out a group and answers it. `Err` after a failure that ends the engine.
    fn carry_out(&mut self, group: Vec<Waiting>) -> Result<(), ()> {
        let transactions = group.len() as u64;
        let mut answers = Vec::with_capacity(group.len());
        let mut failure = None;
        for Waiting { mut transaction, answer, _place } in group {
            self.progress.begin();
            let result = match &failure {
                None => self.transact(&mut transaction, &mut failure),
                Some(_) => Err(EngineError::Stopped),
            };
            answers.push((answer, result));
        }
        self.progress.begin();
        if failure.is_none() {
            failure = match self.durability {
                Durability::Always => self.sync(),
                Durability::Interval(_) => self.sync_if_due(),
                Durability::None => Ok(()),
            }
            .err();
        }
        if failure.is_none() {
            // Before the answers, so that who has one and then begins to watch, or asks for statistics, comes after it.
            let mut ledger = self.tables.ledger();
            ledger.statistics.group_committed(transactions);
            self.last_event.send_if_modified(|last| std::mem::replace(last, ledger.last_sequence) != *last);
        }
        for (answer, result) in answers {
            // Without the sync even a refusal may rest on something that is lost.
            let result = failure.clone().map_or(result, Err);
            // The caller may have gone.
            answer.send(result).ok();
        }
        if let Some(error) = failure {
            self.fail(&error);
            return Err(());
        }
        Ok(())
    }

    fn fail(&self, error: &EngineError) {
        tracing::error!(%error, "the storage failed; no change is accepted any more");
        self.status.send_replace(EngineStatus::Failed);
    }

    fn transact(
        &mut self,
        transaction: &mut Transaction,
        failure: &mut Option<EngineError>,
    ) -> Result<(), EngineError> {
        let mut draft = Draft::new(&self.tables);
        let outcome = transaction(&mut draft)?;
        let refused = self.low_space.load(Ordering::Relaxed) && draft.needs_space();
        let changes = draft.into_changes();
        if outcome == Outcome::Abandon || changes.is_empty() {
            return Ok(());
        }
        if refused {
            return Err(EngineError::StorageFull);
        }
        if self.is_damaged {
            self.tables.probe(&changes)?;
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        let handles = Followers::changed(&changes);
        self.tables.apply(changes).inspect_err(|error| {
            *failure = Some(error.clone());
        })?;
        self.followers.note(&handles);
        Ok(())
    }

    fn sync_if_due(&mut self) -> Result<(), EngineError> {
        match (self.durability, self.unsynced_since) {
            (Durability::Interval(interval), Some(since)) if since.elapsed() >= interval => self.sync(),
            _ => Ok(()),
        }
    }

    /// Makes all changes durable.
    fn sync(&mut self) -> Result<(), EngineError> {
        if self.unsynced_since.is_some() {
            self.log.sync(self.tables.ledger().last_sequence)?;
            self.unsynced_since = None;
        }
        Ok(())
    }
}
