//! Saving all sessions and the history as they are at one moment, while requests go on changing them.
//!
//! The first round walks over all sessions without haste, while the engine notes which ones change. Each further round reads
//! those again that have changed since, until so few are left that one transaction can read them: the backup has the state of
//! that moment. A caller that takes the backup slowly makes it longer, but holds up nobody.

use super::pace::{SLICE, rest};
use crate::backup::{Cut, MAX_NAMED, Saved};
use crate::clock::Millis;
use crate::engine::{ChangeTracker, EngineError, Expected, View};
use crate::model::{Event, Handle, IdHash, Record};
use crate::session::{Error, Sessions};
use std::collections::BTreeSet;
use tokio::time::Instant;

/// A slice of sessions has no more bytes than this, or only one session.
const SLICE_BYTES: usize = 1 << 20;

/// The last transaction reads at most so many sessions, and events: it holds the writer up for some milliseconds.
const FEW: usize = 256;

/// The last transaction keeps no more than this in memory, in bytes.
const FEW_BYTES: usize = 64 << 20;

/// The first rounds leave the processors to others. After that, the backup has to catch up with the changes.
const LEISURELY_ROUNDS: usize = 2;

/// If sessions change faster than the caller takes them, the backup is given up after so many rounds.
const MAX_ROUNDS: usize = 100;

/// Takes what is saved.
pub trait BackupSink: Send {
    /// Adds one thing. It replaces what was added before about the same session.
    fn add(&mut self, saved: Saved);

    /// Passes on what was added; waits if the caller takes it slowly.
    fn pass_on(&mut self) -> impl Future<Output = Result<(), BackupStopped>> + Send;
}

/// Why a backup was not finished.
#[derive(Debug)]
pub enum BackupStopped {
    /// The sessions can't be read.
    Failed(Error),
    /// The caller takes it too slowly.
    TooSlow,
    /// The caller is gone.
    Gone,
}

impl From<EngineError> for BackupStopped {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.into())
    }
}

/// A session as it was read.
enum ReadSession {
    Whole(Saved),
    Damaged(Handle),
}

/// How far a backup has come.
struct BackupProgress {
    follower: ChangeTracker,
    /// Every event up to this sequence number was passed on.
    events_through: u64,
    damaged: BTreeSet<Handle>,
    history_damaged: bool,
    leisurely: bool,
}

impl Sessions {
    /// The present moment, as sessions see it.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Passes everything on to the sink and returns the moment whose state it is.
    pub async fn backup(&self, sink: &mut impl BackupSink) -> Result<Cut, BackupStopped> {
        let mut progress = BackupProgress {
            follower: self.engine.track_changes(),
            events_through: 0,
            damaged: BTreeSet::new(),
            history_damaged: false,
            leisurely: true,
        };
        let mut after = None;
        loop {
            let handles = self.query(|view| view.handles(after, SLICE)).await?;
            let Some(last) = handles.last() else { break };
            after = Some(*last);
            self.save(&handles, &mut progress, sink).await?;
        }
        for round in 0..MAX_ROUNDS {
            progress.leisurely = round < LEISURELY_ROUNDS;
            // Touches that are only in memory count as changes once they are written.
            self.write_touches().await.map_err(BackupStopped::Failed)?;
            let changed: Vec<Handle> = progress.follower.take().into_iter().collect();
            self.save(&changed, &mut progress, sink).await?;
            self.save_events(&mut progress, sink).await?;
            if progress.follower.few(FEW).is_some()
                && let Some(cut) = self.cut(&mut progress, sink).await?
            {
                return Ok(cut);
            }
        }
        Err(BackupStopped::TooSlow)
    }

    async fn save(
        &self,
        mut handles: &[Handle],
        progress: &mut BackupProgress,
        sink: &mut impl BackupSink,
    ) -> Result<(), BackupStopped> {
        while !handles.is_empty() {
            let began = Instant::now();
            let slice = &handles[..handles.len().min(SLICE)];
            let found = self.query(|view| self.find(slice, SLICE_BYTES, view)).await?;
            handles = &handles[found.len()..];
            progress.add(found, sink);
            progress.rest(began).await;
            sink.pass_on().await?;
        }
        Ok(())
    }

    async fn save_events(
        &self,
        progress: &mut BackupProgress,
        sink: &mut impl BackupSink,
    ) -> Result<(), BackupStopped> {
        while !progress.history_damaged {
            let began = Instant::now();
            let after = progress.events_through;
            let events = match self.query(|view| view.events(after.max(view.events_dropped_through()?), SLICE)).await {
                Err(EngineError::Corrupt(problem)) => {
                    tracing::warn!(problem, "the history of events is damaged and left out of the backup");
                    progress.history_damaged = true;
                    return Ok(());
                }
                events => events?,
            };
            let at_end = events.len() < SLICE;
            progress.add_events(events, sink);
            progress.rest(began).await;
            sink.pass_on().await?;
            if at_end {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads the sessions that are left, and the bounds of the history, in one transaction; `None` if too many are left.
    async fn cut(
        &self,
        progress: &mut BackupProgress,
        sink: &mut impl BackupSink,
    ) -> Result<Option<Cut>, BackupStopped> {
        let (events_through, damaged) = (progress.events_through, progress.history_damaged);
        let last = self.transact(|draft| {
            let view = draft.view();
            let Some(handles) = progress.follower.few(FEW) else { return Ok(None) };
            let found = self.find(&handles, FEW_BYTES, view)?;
            let dropped_through = view.events_dropped_through()?;
            let events =
                if damaged { Ok(Vec::new()) } else { view.events(events_through.max(dropped_through), FEW + 1) };
            let (events, damaged) = match events {
                Err(EngineError::Corrupt(_)) => (Vec::new(), true),
                events => (events?, damaged),
            };
            if found.len() < handles.len() || events.len() > FEW {
                return Ok(None);
            }
            let (counts, moment) = (view.counts(), self.clock.now());
            Ok(Some((
                found,
                events,
                Cut {
                    moment,
                    sessions: counts.sessions,
                    events: counts.events,
                    dropped_through,
                    last_event: counts.last_event,
                    damaged_count: 0,
                    damaged: Vec::new(),
                    history_damaged: damaged,
                    gaps: view.sequence_gaps()?,
                },
            )))
        });
        let Some((found, events, mut cut)) = last.await.map_err(BackupStopped::Failed)? else {
            return Ok(None);
        };
        progress.add(found, sink);
        progress.add_events(events, sink);
        cut.damaged_count = progress.damaged.len() as u64;
        cut.damaged = progress.damaged.iter().take(MAX_NAMED).copied().collect();
        cut.sessions = cut.sessions.saturating_sub(cut.damaged_count);
        if cut.history_damaged {
            // A watcher that wants to resume is told that the events are gone.
            (cut.events, cut.dropped_through) = (0, cut.last_event);
        }
        Ok(Some(cut))
    }

    /// What is stored of these sessions, up to so many bytes and at least the first.
    fn find(&self, handles: &[Handle], max_bytes: usize, view: &dyn View) -> Result<Vec<ReadSession>, EngineError> {
        view.expect(Expected::IndexRows(handles))?;
        let mut bytes = 0;
        let mut found = Vec::with_capacity(handles.len());
        for handle in handles {
            if bytes > max_bytes {
                break;
            }
            found.push(match view.record(*handle) {
                Ok(Some(record)) => {
                    let mut record = Record::clone(&record);
                    bytes += record.answer_size();
                    record.accessed = record.accessed.max(self.touches.last_touch(*handle, view)?.unwrap_or(0));
                    ReadSession::Whole(Saved::Session { lookups: lookups(&record, view)?, record: Box::new(record) })
                }
                Ok(None) => ReadSession::Whole(Saved::Removed(*handle)),
                Err(EngineError::Corrupt(_)) => ReadSession::Damaged(*handle),
                Err(error) => return Err(error),
            });
        }
        Ok(found)
    }
}

/// The hashes of the chosen IDs that lead to this session. An ID that was rotated away can be another session's by now.
fn lookups(record: &Record, view: &dyn View) -> Result<Vec<IdHash>, EngineError> {
    let chosen = record.credentials.iter().filter(|credential| credential.chosen);
    let mut lookups = Vec::new();
    for credential in chosen {
        let leads_here = match view.handle_of(&credential.hash) {
            // The row is a hint; the record says that the ID is its own.
            Err(EngineError::Corrupt(_)) => credential.retires_at.is_none(),
            handle => handle? == Some(record.handle),
        };
        if leads_here {
            lookups.push(credential.hash);
        }
    }
    Ok(lookups)
}

impl BackupProgress {
    fn add(&mut self, found: Vec<ReadSession>, sink: &mut impl BackupSink) {
        for found in found {
            match found {
                ReadSession::Whole(saved) => {
                    if let Saved::Session { record, .. } = &saved {
                        self.damaged.remove(&record.handle);
                    }
                    sink.add(saved);
                }
                ReadSession::Damaged(handle) => {
                    if self.damaged.insert(handle) {
                        tracing::warn!(%handle, "a session is damaged and left out of the backup");
                    }
                    // An older state may have been passed on.
                    sink.add(Saved::Removed(handle));
                }
            }
        }
    }

    fn add_events(&mut self, events: Vec<Event>, sink: &mut impl BackupSink) {
        for event in events {
            self.events_through = event.sequence;
            sink.add(Saved::Event(Box::new(event)));
        }
    }

    async fn rest(&self, began: Instant) {
        if self.leisurely {
            rest(began).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}
