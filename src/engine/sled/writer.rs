//! Who changes the data, and when that is answered.
//!
//! With the durability `always` one thread makes all changes: it carries out waiting transactions in groups, makes each
//! group durable with one sync, and answers them together. Where an answer needs no sync, a transaction is carried out at
//! once by the thread that brings it, if nobody else is at it; that spares two changes of threads, which cost as much as
//! the transaction. The writer thread then syncs from time to time and takes what found somebody else at it.

use super::committer::Committer;
use crate::engine::{EngineError, Transaction};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
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
pub(super) struct Writer {
    queue: Sender<Message>,
    places: Arc<Semaphore>,
    last_event: watch::Receiver<u64>,
    durability: Durability,
    committer: Shared,
}

/// None once the data is released.
type Shared = Arc<Mutex<Option<Committer>>>;

enum Message {
    Commit(Waiting),
    /// There is something to be synced in time.
    Unsynced,
    Close(Closing),
}

struct Waiting {
    transaction: Transaction,
    answer: oneshot::Sender<Result<(), EngineError>>,
    _place: OwnedSemaphorePermit,
}

type Closing = oneshot::Sender<Result<(), EngineError>>;

impl Writer {
    pub(super) fn start(committer: Committer, last_event: watch::Receiver<u64>) -> io::Result<Self> {
        let (queue, messages) = channel();
        let durability = committer.durability;
        let committer: Shared = Arc::new(Mutex::new(Some(committer)));
        let thread = WriterThread { durability, messages, committer: Arc::clone(&committer) };
        thread::Builder::new().name("writer".into()).spawn(move || thread.run())?;
        Ok(Self { queue, places: Arc::new(Semaphore::new(MAX_QUEUED)), last_event, durability, committer })
    }

    pub(super) fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.clone()
    }

    pub(super) async fn commit(&self, mut transaction: Transaction) -> Result<(), EngineError> {
        if let Some(answer) = self.commit_at_once(&mut transaction) {
            return answer;
        }
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

    /// Carries a transaction out in this thread; `None` if its answer needs a sync, one is due, or somebody else is at it.
    fn commit_at_once(&self, transaction: &mut Transaction) -> Option<Result<(), EngineError>> {
        if self.durability == Durability::Always {
            return None;
        }
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // A sync that is due is the writer thread's work: no thread that serves waits for the disk, and it comes to its turn.
        let committer = committer.as_mut().filter(|committer| !committer.is_sync_due())?;
        let was_synced = committer.unsynced_since.is_none();
        let answer = committer.commit(&mut [transaction]).pop();
        if was_synced && committer.unsynced_since.is_some() && matches!(self.durability, Durability::Interval(_)) {
            // The thread may have ended after a failure.
            self.queue.send(Message::Unsynced).ok();
        }
        answer
    }
}

struct WriterThread {
    durability: Durability,
    messages: Receiver<Message>,
    committer: Shared,
}

impl WriterThread {
    fn run(self) {
        let closing = loop {
            match self.next() {
                Ok(Message::Commit(first)) => {
                    let (group, closing) = self.gather(first);
                    if self.carry_out(group).is_err() {
                        return;
                    }
                    if closing.is_some() {
                        break closing;
                    }
                }
                Ok(Message::Unsynced) => {}
                Ok(Message::Close(answer)) => break Some(answer),
                Err(RecvTimeoutError::Timeout) => {
                    if self.sync_in_time().is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        // sled is released before the answer, so that the folder can be opened again at once.
        let committer = self.lock().take();
        let synced = match committer {
            Some(mut committer) if !committer.has_failed => committer.sync(),
            _ => Err(EngineError::Stopped),
        };
        if let Some(answer) = closing {
            // The closer may have given up waiting.
            answer.send(synced).ok();
        }
    }

    /// Waits for work, and no longer than until the next sync.
    fn next(&self) -> Result<Message, RecvTimeoutError> {
        match (self.durability, self.unsynced_since()) {
            (Durability::Interval(interval), Some(since)) => {
                self.messages.recv_timeout(interval.saturating_sub(since.elapsed()))
            }
            _ => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Takes what waits already; a group never waits for more.
    fn gather(&self, first: Waiting) -> (Vec<Waiting>, Option<Closing>) {
        let mut group = vec![first];
        while group.len() < MAX_GROUP {
            match self.messages.try_recv() {
                Ok(Message::Commit(waiting)) => group.push(waiting),
                Ok(Message::Unsynced) => {}
                Ok(Message::Close(answer)) => return (group, Some(answer)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Carries out a group and answers it. `Err` after a failure that ends the engine.
    fn carry_out(&self, mut group: Vec<Waiting>) -> Result<(), ()> {
        let (answers, has_failed) = {
            let mut committer = self.lock();
            let committer = committer.as_mut().ok_or(())?;
            let mut transactions: Vec<&mut Transaction> = group.iter_mut().map(|w| &mut w.transaction).collect();
            (committer.commit(&mut transactions), committer.has_failed)
        };
        for (waiting, answer) in group.into_iter().zip(answers) {
            // The caller may have gone.
            waiting.answer.send(answer).ok();
        }
        if has_failed { Err(()) } else { Ok(()) }
    }

    fn sync_in_time(&self) -> Result<(), ()> {
        let mut committer = self.lock();
        let committer = committer.as_mut().ok_or(())?;
        committer.progress.begin();
        let synced = committer.sync_if_due();
        committer.progress.end();
        synced.map_err(|error| committer.fail(&error))
    }

    fn unsynced_since(&self) -> Option<Instant> {
        self.lock().as_ref().and_then(|committer| committer.unsynced_since)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Committer>> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
