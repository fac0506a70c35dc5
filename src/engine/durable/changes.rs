//! Turns changes into rows.

use super::super::EngineError;
use super::super::codec;
use super::super::transaction::{Change, SessionList};
use super::cold::{ColdRead, Gate};
use super::history::Held;
use super::keys::{DROPPED_THROUGH, due_key, gap_key, part_key};
use super::memtable::Row;
use super::merge::Direction;
use super::sled::MAX_ROW_BYTES;
use super::table::Table;
use super::tables::Tables;
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use smol_str::SmolStr;
use std::sync::Arc;

/// An event is one row, so the event of a larger session does not keep its attributes.
const MAX_EVENT_BYTES: usize = 16 << 10;

/// The changes of one transaction, as rows that are not in the tables yet.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) rows: Vec<Row>,
    effects: Vec<Effect>,
    /// The sequence number of its first event, if it has any.
    transaction: u64,
    /// The newest event's sequence number after it.
    last_sequence: u64,
}

/// What rows change outside the tables: in the caches and in the statistics.
#[derive(Debug)]
enum Effect {
    /// With whether it is split into parts.
    RecordPut(Arc<Record>, bool),
    RecordRemoved(Handle),
    /// Where a chosen ID leads now.
    LookupChanged(IdHash, Option<Handle>),
    Touched(Handle, Option<Millis>),
    SessionAdded(SmolStr),
    SessionRemoved(SmolStr),
    /// With the bytes of the event.
    EventAdded(u64),
    EventsDropped(u64),
}

impl Tables {
    /// Turns the changes of one transaction into rows, without changing anything yet. Reads that this needs must pass
    /// the gate.
    pub(super) fn prepare(&self, changes: Vec<Change>, gate: &Gate<'_>) -> Result<Prepared, EngineError> {
        let last_sequence = self.ledger().last_sequence;
        let mut prepared = Prepared { last_sequence, transaction: last_sequence + 1, ..Prepared::default() };
        changes.into_iter().try_for_each(|change| self.add(change, &mut prepared, gate))?;
        Ok(prepared)
    }

    /// Carries out prepared rows. They must be in the redo log already, or be written back before anyone is answered.
    pub(super) fn carry_out(&self, prepared: Prepared) -> Result<(), EngineError> {
        self.memtable.apply(prepared.rows);
        self.ledger().last_sequence = prepared.last_sequence;
        prepared.effects.into_iter().try_for_each(|effect| self.follow(effect))
    }

    /// Carries out changes while the folder is being opened, when there is no redo log yet.
    pub(super) fn apply(&self, changes: Vec<Change>) -> Result<(), EngineError> {
        self.carry_out(self.prepare(changes, &Gate::open())?)
    }

    /// Fails if a page to which these rows go is damaged, so that a change is refused as a whole. This is only needed
    /// in a folder that was damaged when it was opened: damage that comes later ends the engine, and the next opening
    /// finds it.
    pub(super) fn probe(&self, prepared: &Prepared) -> Result<(), EngineError> {
        for row in &prepared.rows {
            match self.tree(row.table) {
                Some(tree) => tree.stored.probe(&row.key)?,
                // Events go into the last block.
                None => drop(self.history.stored.last()?),
            }
        }
        Ok(())
    }

    fn add(&self, change: Change, prepared: &mut Prepared, gate: &Gate<'_>) -> Result<(), EngineError> {
        match change {
            Change::AppendEvent(event) => {
                prepared.last_sequence += 1;
                let (sequence, transaction) = (prepared.last_sequence, prepared.transaction);
                let bytes = prepared.put_event(Event { sequence, transaction, ..*event });
                prepared.effects.push(Effect::EventAdded(bytes));
            }
            Change::RestoreEvent(event) => {
                prepared.last_sequence = prepared.last_sequence.max(event.sequence);
                // Only a restore does this, in its own engine, so this read may wait for the disk.
                let is_new = !self.history.contains(event.sequence)?;
                let bytes = prepared.put_event(*event);
                if is_new {
                    prepared.effects.push(Effect::EventAdded(bytes));
                }
            }
            Change::PutMember(list, handle) => {
                let key = self.principals.member_key(&list, handle);
                if let SessionList::Namespace(namespace) = list {
                    prepared.effects.push(Effect::SessionAdded(namespace));
                }
                prepared.rows.push(Row::put(Table::Members, key, codec::empty_row()));
            }
            Change::RemoveMember(list, handle) => {
                let key = self.principals.member_key(&list, handle);
                if let SessionList::Namespace(namespace) = list {
                    prepared.effects.push(Effect::SessionRemoved(namespace));
                }
                prepared.rows.push(Row::remove(Table::Members, key));
            }
            Change::DropEvents(through) => {
                gate.pass(ColdRead::DroppedEvents(through))?;
                prepared.rows.push(Row::put(Table::Meta, DROPPED_THROUGH, codec::encode_millis(through)));
                prepared.last_sequence = prepared.last_sequence.max(through);
                prepared.effects.push(Effect::EventsDropped(through));
            }
            Change::PutSequenceGap(gap) => {
                prepared.rows.push(Row::put(Table::Meta, gap_key(gap), codec::encode_millis(gap.through)));
                prepared.last_sequence = prepared.last_sequence.max(gap.through);
            }
            Change::PutLookup(hash, handle) => {
                prepared.rows.push(Row::put(Table::Lookups, hash.as_bytes(), codec::encode_handle(handle)));
                prepared.effects.push(Effect::LookupChanged(hash, Some(handle)));
            }
            Change::PutDue(due) => prepared.rows.push(Row::put(Table::Due, &due_key(due)[..], codec::empty_row())),
            Change::PutRecord(record) => self.put_record(record, prepared, gate)?,
            Change::PutTouch(handle, at) => {
                prepared.rows.push(Row::put(Table::Touches, &handle.to_bytes()[..], codec::encode_millis(at)));
                prepared.effects.push(Effect::Touched(handle, Some(at)));
            }
            Change::RemoveRecord(handle) => {
                prepared.rows.push(Row::remove(Table::Sessions, &handle.to_bytes()[..]));
                self.remove_parts(handle, None, prepared, gate)?;
                prepared.effects.push(Effect::RecordRemoved(handle));
            }
            Change::RemoveTouch(handle) => {
                prepared.rows.push(Row::remove(Table::Touches, &handle.to_bytes()[..]));
                prepared.effects.push(Effect::Touched(handle, None));
            }
            Change::RemoveDue(due) => prepared.rows.push(Row::remove(Table::Due, &due_key(due)[..])),
            Change::RemoveLookup(hash) => {
                prepared.rows.push(Row::remove(Table::Lookups, hash.as_bytes()));
                prepared.effects.push(Effect::LookupChanged(hash, None));
            }
        }
        Ok(())
    }

    fn put_record(&self, record: Arc<Record>, prepared: &mut Prepared, gate: &Gate<'_>) -> Result<(), EngineError> {
        let (handle, revision) = (record.handle, record.revision);
        let mut row = codec::encode_record(&record);
        let is_split = row.len() > MAX_ROW_BYTES;
        self.remove_parts(handle, is_split.then_some(revision), prepared, gate)?;
        if is_split {
            for (part, bytes) in row.chunks(MAX_ROW_BYTES).enumerate() {
                let key = part_key(handle, revision, part);
                prepared.rows.push(Row::put(Table::Parts, &key[..], codec::encode_part(bytes)));
            }
            row = codec::encode_part_list(revision, row.len().div_ceil(MAX_ROW_BYTES));
        }
        prepared.rows.push(Row::put(Table::Sessions, &handle.to_bytes()[..], row));
        prepared.effects.push(Effect::RecordPut(record, is_split));
        Ok(())
    }

    /// Removes the parts of a record that is replaced or removed, except those of the revision `kept`.
    fn remove_parts(
        &self,
        handle: Handle,
        kept: Option<u64>,
        prepared: &mut Prepared,
        gate: &Gate<'_>,
    ) -> Result<(), EngineError> {
        let is_whole = || self.peek(handle).is_some_and(|cached| !cached.is_split);
        if !self.ledger().has_parts || is_whole() {
            return Ok(());
        }
        gate.pass(ColdRead::Parts(handle))?;
        let (first, last) = (part_key(handle, 0, 0), part_key(handle, u64::MAX, usize::MAX));
        for row in self.parts.scan(first..=last, Direction::Up, 16) {
            let key = match row {
                Ok((key, _)) => key,
                // The keys on a damaged page are unknown. The next opening finds these parts.
                Err(EngineError::Corrupt(_)) => break,
                Err(error) => return Err(error),
            };
            if kept.is_none_or(|revision| !key.starts_with(&part_key(handle, revision, 0)[..24])) {
                prepared.rows.push(Row::remove(Table::Parts, key));
            }
        }
        Ok(())
    }

    fn follow(&self, effect: Effect) -> Result<(), EngineError> {
        match effect {
            Effect::RecordPut(record, is_split) => {
                if is_split {
                    self.ledger().has_parts = true;
                }
                self.cache.iter().for_each(|cache| cache.put(&record, is_split));
            }
            Effect::RecordRemoved(handle) => self.cache.iter().for_each(|cache| cache.remove(handle)),
            Effect::LookupChanged(id, handle) => self.lookup_cache.iter().for_each(|cache| cache.change(&id, handle)),
            Effect::Touched(handle, at) => self.cache.iter().for_each(|cache| cache.touch(handle, at)),
            Effect::SessionAdded(namespace) => self.ledger().statistics.session_added(&namespace),
            Effect::SessionRemoved(namespace) => self.ledger().statistics.session_removed(&namespace),
            Effect::EventAdded(bytes) => {
                let statistics = &mut self.ledger().statistics;
                statistics.events += 1;
                statistics.event_bytes += bytes;
            }
            Effect::EventsDropped(through) => {
                let dropped = match self.history.drop_through(through) {
                    // Events that can't be read were not counted either.
                    Err(EngineError::Corrupt(_)) => Held::default(),
                    dropped => dropped?,
                };
                let statistics = &mut self.ledger().statistics;
                statistics.events = statistics.events.saturating_sub(dropped.events);
                statistics.event_bytes = statistics.event_bytes.saturating_sub(dropped.bytes);
            }
        }
        Ok(())
    }
}

impl Prepared {
    /// Adds the row of an event. Returns the bytes of the event.
    fn put_event(&mut self, mut event: Event) -> u64 {
        if event.record.size() > MAX_EVENT_BYTES {
            event.record.attributes.clear();
        }
        let key = event.sequence.to_be_bytes();
        let row = codec::encode_event(&event);
        let bytes = codec::payload_bytes(&row);
        self.rows.push(Row::put(Table::Events, key, row));
        bytes
    }
}
