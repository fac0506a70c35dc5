//! Putting right at an opening what damage did to index rows: they follow from the records.

use super::super::EngineError;
use super::super::transaction::{Change, Due, Group};
use super::disk::{Inspection, Tree};
use super::mark::Found;
use super::tables::{DUE, EVENTS, LOOKUPS, MEMBERS, SESSIONS, TOUCHES, Tables};
use crate::engine::codec;
use crate::engine::transaction::View;
use crate::model::{Handle, Record};
use ::sled::Db;

impl Tables {
    /// Replaces indexes of which a part is damaged by new ones, if all records can be read.
    pub(super) fn repair_indexes(&mut self, db: &Db, inspection: &Inspection) -> Result<(), EngineError> {
        if inspection.damaged_pages() == 0 {
            return Ok(());
        }
        let events = inspection.index(EVENTS)?;
        if events.gaps > 0 {
            self.restart_history(db, inspection)?;
        }
        let mut damaged = Vec::new();
        for name in [MEMBERS, DUE, LOOKUPS, TOUCHES] {
            let index = inspection.index(name)?;
            if index.gaps > 0 {
                damaged.push((name, index));
            }
        }
        if damaged.is_empty() || inspection.tree(SESSIONS)?.gaps > 0 {
            return Ok(());
        }
        for (name, index) in damaged {
            tracing::warn!(index = name, "an index is damaged; building it anew from the sessions");
            self.replace_index(db, name)?;
            if name == TOUCHES {
                self.copy_touches(inspection, &index)?;
            }
            for row in &self.sessions {
                let (key, _) = row?;
                let record = Handle::from_slice(&key).map(|handle| self.record(handle));
                // A damaged record has no index rows: it answers as such wherever it is met.
                if let Some(Ok(Some(record))) = record {
                    index_rows(name, &record).into_iter().try_for_each(|change| self.apply_step(change, 0))?;
                }
            }
        }
        Ok(())
    }

    /// Begins the history of events anew, so that events can be appended; watchers are told that some are missing.
    fn restart_history(&mut self, db: &Db, inspection: &Inspection) -> Result<(), EngineError> {
        let Found::Whole(mark) = inspection.mark else {
            return Ok(());
        };
        tracing::error!(through = mark.last_event, "the history of events is damaged; beginning a new one");
        self.replace_index(db, EVENTS)?;
        self.apply_step(Change::DropEvents(mark.last_event), 0)
    }

    /// Those that can be read; a session whose touch is lost may expire early.
    fn copy_touches(&self, inspection: &Inspection, index: &Tree) -> Result<(), EngineError> {
        for rows in inspection.rows(index) {
            for (key, row) in rows? {
                if let (Some(handle), Ok(at)) = (Handle::from_slice(&key), codec::decode_millis(row.into())) {
                    self.apply_step(Change::PutTouch(handle, at), 0)?;
                }
            }
        }
        Ok(())
    }
}

fn index_rows(name: &str, record: &Record) -> Vec<Change> {
    let handle = record.handle;
    match name {
        MEMBERS => {
            let namespace = Group::Namespace(record.namespace.clone());
            let principal =
                Some(Group::of(&record.namespace, &record.principal)).filter(|_| !record.principal.is_empty());
            std::iter::once(namespace).chain(principal).map(|group| Change::PutMember(group, handle)).collect()
        }
        DUE => vec![Change::PutDue(Due { at: record.sweep_at, handle })],
        LOOKUPS => {
            let chosen = record.credentials.iter().filter(|credential| credential.chosen);
            chosen.map(|credential| Change::PutLookup(credential.hash, handle)).collect()
        }
        _ => Vec::new(),
    }
}
