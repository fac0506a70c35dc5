//! Repairs what a crash left, and counts what is stored, when a folder is opened.

use super::super::EngineError;
use super::super::codec::{self, RecordRow};
use super::super::transaction::{Draft, View};
use super::keys::part_key;
use super::memtable::Row;
use super::merge::Direction;
use super::principals::FIRST_OF_NAMESPACES;
use super::sync_watermark::SyncWatermark;
use super::table::Table;
use super::tables::Tables;
use crate::model::{Event, Handle};

/// How far the sequence numbers jump at each opening. A crash may lose unsynced events that watchers have seen. The
/// jump goes beyond all their numbers.
pub(super) const SEQUENCE_JUMP: u64 = 1 << 24;

impl Tables {
    /// Repairs what a crash left. `watermark` is the one that the folder had.
    pub(super) fn set_right(&self, watermark: SyncWatermark) -> Result<(), EngineError> {
        self.remove_orphaned_parts()?;
        if watermark.redo.generation == 0 {
            self.finish_last_transaction()?;
        }
        Ok(())
    }

    /// For folders that older versions wrote without a redo log: brings the records in line with the events of the last
    /// transaction. A crash may have come in the middle of it. Each event was written before the change that it tells
    /// of.
    fn finish_last_transaction(&self) -> Result<(), EngineError> {
        let last = self.history.last()?;
        let Ok(mut newest) = self.history.after(last.saturating_sub(1), 1) else { return Ok(()) };
        let Some(Event { transaction, .. }) = newest.pop() else { return Ok(()) };
        for event in self.history.after(transaction.saturating_sub(1), usize::MAX)? {
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
                    self.apply(draft.into_changes())?;
                }
                _ if event.kind.ends_session() || carried_out => {}
                // The change of this event was neither acknowledged nor carried out.
                _ => self.history.stored.remove(&event.sequence.to_be_bytes())?,
            }
        }
        Ok(())
    }

    /// Counts what is stored, once all rows are written back. Also finds where the sequence numbers go on: behind the
    /// newest event, all acknowledged events, and the last sequence gap.
    pub(super) fn take_stock(&self, acknowledged: u64) -> Result<(), EngineError> {
        let mut ledger = self.ledger();
        for row in self.members.scan([FIRST_OF_NAMESPACES].., Direction::Up, usize::MAX) {
            let (key, _) = match row {
                Err(error @ EngineError::Corrupt(_)) => {
                    tracing::error!(%error, "a list of sessions is damaged; the statistics count too few");
                    break;
                }
                row => row?,
            };
            let namespace = key.split(|byte| *byte == 0).next().and_then(|name| std::str::from_utf8(name).ok());
            ledger.statistics.session_added(namespace.ok_or_else(|| codec::corrupt("a member's key"))?);
        }
        let held = self.history.count()?;
        (ledger.statistics.events, ledger.statistics.event_bytes) = (held.events, held.bytes);
        ledger.has_parts = self.parts.all().next().is_some();
        let skipped = self.sequence_gaps()?.last().map_or(0, |gap| gap.through);
        let last = self.history.last()?.max(self.history.dropped_through()).max(acknowledged).max(skipped);
        ledger.last_sequence = if last == 0 { 0 } else { last + SEQUENCE_JUMP };
        Ok(())
    }

    /// Removes parts that belong to no record. A crash may have left them.
    fn remove_orphaned_parts(&self) -> Result<(), EngineError> {
        let mut removed = 0_usize;
        for row in self.parts.all() {
            let (key, _) = match row {
                Err(error @ EngineError::Corrupt(_)) => {
                    tracing::error!(%error, "parts of large sessions are damaged");
                    break;
                }
                row => row?,
            };
            let handle = Handle::from_slice(&key[..16.min(key.len())]).ok_or_else(|| codec::corrupt("a part's key"))?;
            let row = self.sessions.get(&handle.to_bytes()).transpose();
            let listed = match row.map(|row| row.and_then(codec::decode_row)) {
                Some(Ok(RecordRow::Split { revision, parts })) => {
                    (0..parts).any(|part| *key == part_key(handle, revision, part))
                }
                // The parts of a damaged record stay, so that someone can still save them.
                Some(Err(_)) => true,
                Some(Ok(RecordRow::Whole(_))) | None => false,
            };
            if !listed {
                self.memtable.apply(vec![Row::remove(Table::Parts, key)]);
                removed += 1;
            }
        }
        if removed > 0 {
            tracing::info!(removed, "removed parts of records that a crash left unfinished");
        }
        Ok(())
    }
}
