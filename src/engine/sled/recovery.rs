//! What is set right, and counted, when a folder is opened.

use super::super::EngineError;
use super::super::codec::{self, RecordRow};
use super::super::transaction::{Draft, View};
use super::keys::{part_key, read_event, to_bytes};
use super::mark::Found;
use super::tables::Tables;
use crate::model::Handle;

/// Where the sequence goes on after an opening: beyond all numbers that may have been told of and then lost with a crash
/// that took unsynced changes.
const SEQUENCE_JUMP: u64 = 1 << 24;

impl Tables {
    /// Sets right what a crash left, and takes stock. `mark` is the one that the folder had.
    pub(super) fn set_right(&self, mark: Found) -> Result<(), EngineError> {
        self.remove_orphaned_parts()?;
        self.finish_last_transaction()?;
        self.take_stock(match mark {
            Found::Whole(mark) => mark.last_event,
            Found::Missing | Found::Damaged => 0,
        })
    }

    /// Brings the records in line with the events of the last transaction, in the middle of which a crash may have come:
    /// an event stands before the change that it tells of.
    fn finish_last_transaction(&self) -> Result<(), EngineError> {
        let Some(last) = self.events.last()? else { return Ok(()) };
        let Ok(last) = read_event(&last) else { return Ok(()) };
        for row in self.events.range(last.transaction.to_be_bytes()..) {
            let event = read_event(&row?)?;
            let record = match self.record(event.record.handle) {
                Err(EngineError::Corrupt(_)) => continue,
                record => record?,
            };
            let carried_out = record.as_ref().is_some_and(|record| record.revision >= event.record.revision);
            match record {
                Some(record) if event.kind.ends_session() => {
                    tracing::info!(handle = %record.handle, "completing the end of a session that a crash interrupted");
                    let mut draft = Draft::new(self);
                    draft.remove_untold(&record)?;
                    draft.into_changes().into_iter().try_for_each(|change| self.apply_step(change, 0))?;
                }
                _ if event.kind.ends_session() || carried_out => {}
                // It told of a change that was neither acknowledged nor carried out.
                _ => drop(self.events.remove(event.sequence.to_be_bytes())?),
            }
        }
        Ok(())
    }

    /// Counts what is there, and finds where the sequence goes on: behind the newest event, all that were acknowledged,
    /// and the last gap.
    fn take_stock(&self, acknowledged: u64) -> Result<(), EngineError> {
        let mut ledger = self.ledger();
        for key in self.members.range([1]..).keys() {
            let key = match key.map_err(EngineError::from) {
                Err(error @ EngineError::Corrupt(_)) => {
                    tracing::error!(%error, "a list of sessions is damaged; the statistics count too few");
                    break;
                }
                key => key?,
            };
            let namespace = key.split(|byte| *byte == 0).next().and_then(|name| std::str::from_utf8(name).ok());
            ledger.statistics.session_added(namespace.ok_or_else(|| codec::corrupt("a member's key"))?);
        }
        ledger.statistics.events = self.events.iter().keys().map_while(Result::ok).count() as u64;
        let last = match self.events.last()? {
            Some((key, _)) => key.as_ref().try_into().map_or(0, u64::from_be_bytes),
            None => self.events_dropped_through()?,
        };
        let skipped = self.gaps()?.last().map_or(0, |gap| gap.through);
        let last = last.max(acknowledged).max(skipped);
        ledger.last_sequence = if last == 0 { 0 } else { last + SEQUENCE_JUMP };
        Ok(())
    }

    /// Removes parts that no record lists, which a crash may have left.
    fn remove_orphaned_parts(&self) -> Result<(), EngineError> {
        let mut removed = 0_usize;
        for key in self.parts.iter().keys() {
            let key = match key.map_err(EngineError::from) {
                Err(error @ EngineError::Corrupt(_)) => {
                    tracing::error!(%error, "parts of large sessions are damaged");
                    break;
                }
                key => key?,
            };
            let handle = Handle::from_slice(&key[..16.min(key.len())]).ok_or_else(|| codec::corrupt("a part's key"))?;
            let row = self.sessions.get(handle.to_bytes()).map_err(EngineError::from).transpose();
            let listed = match row.map(|row| row.and_then(|row| codec::decode_row(to_bytes(row)))) {
                Some(Ok(RecordRow::Split { revision, parts })) => {
                    (0..parts).any(|part| key == part_key(handle, revision, part))
                }
                // What belongs to a damaged record is left for those who want to save it.
                Some(Err(_)) => true,
                Some(Ok(RecordRow::Whole(_))) | None => false,
            };
            if !listed {
                self.parts.remove(key)?;
                removed += 1;
            }
        }
        if removed > 0 {
            tracing::info!(removed, "removed parts of records that a crash left unfinished");
        }
        Ok(())
    }
}
