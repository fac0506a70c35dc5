//! Saving all sessions and the history as they are at one moment, while requests go on changing them.
//!
//! First a walk over all sessions, at leisure; the engine notes meanwhile which ones change. Then those are read again, and
//! those that changed meanwhile, and so on, until so few are left that one transaction can read them: its moment is that
//! whose state is saved. Whoever takes the backup slowly makes this longer, and holds up nobody.

use super::scan::{SLICE, rest};
use super::{Error, Sessions};
use crate::backup::{Cut, MAX_NAMED, Saved};
use crate::clock::Millis;
use crate::engine::{ChangeTracker, EngineError, Expected, View};
use crate::model::{Event, Handle, IdHash, Record};
use std::collections::BTreeSet;
use tokio::time::Instant;

/// A slice ends after so many bytes of sessions.
const SLICE_BYTES: usize = 1 << 20;

/// Sessions, and events, that the last transaction reads at most: the writer is held up for some milliseconds.
const FEW: usize = 256;

/// What the last transaction keeps in memory at most, in bytes.
const FEW_BYTES: usize = 64 << 20;

/// The walk and the first rounds leave the processors to others; after that the changes have to be caught up with.
const LEISURELY_ROUNDS: usize = 2;

/// Where sessions change faster than they are taken, it is given up after so many rounds.
const MAX_ROUNDS: usize = 100;

/// Takes what is saved.
pub trait BackupSink: Send {
    /// Takes one thing, which replaces what it took before about the same session.
    fn add(&mut self, saved: Saved);

    /// Passes on what was taken; waits for whoever takes it slowly.
    fn pass_on(&mut self) -> impl Future<Output = Result<(), BackupStopped>> + Send;
}

/// Why a backup was not finished.
#[derive(Debug)]
pub enum BackupStopped {
    /// The sessions can't be read.
    Failed(Error),
    /// It is taken too slowly.
    TooSlow,
    /// Nobody takes it any more.
    Gone,
}

impl From<EngineError> for BackupStopped {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.into())
    }
}

/// What was found of a session.
enum Found {
    Whole(Saved),
    Damaged(Handle),
}

/// How far a backup has come.
struct Progress {
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
        let mut progress = Progress {
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
            // Those that are only in memory are noted as changes when they are written.
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
        progress: &mut Progress,
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

    async fn save_events(&self, progress: &mut Progress, sink: &mut impl BackupSink) -> Result<(), BackupStopped> {
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
    async fn cut(&self, progress: &mut Progress, sink: &mut impl BackupSink) -> Result<Option<Cut>, BackupStopped> {
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
            // Who wants to resume is told that the events are gone.
            (cut.events, cut.dropped_through) = (0, cut.last_event);
        }
        Ok(Some(cut))
    }

    /// What is stored of these sessions, up to so many bytes and at least the first.
    fn find(&self, handles: &[Handle], max_bytes: usize, view: &dyn View) -> Result<Vec<Found>, EngineError> {
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
                    Found::Whole(Saved::Session { lookups: lookups(&record, view)?, record: Box::new(record) })
                }
                Ok(None) => Found::Whole(Saved::Removed(*handle)),
                Err(EngineError::Corrupt(_)) => Found::Damaged(*handle),
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

impl Progress {
    fn add(&mut self, found: Vec<Found>, sink: &mut impl BackupSink) {
        for found in found {
            match found {
                Found::Whole(saved) => {
                    if let Saved::Session { record, .. } = &saved {
                        self.damaged.remove(&record.handle);
                    }
                    sink.add(saved);
                }
                Found::Damaged(handle) => {
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
