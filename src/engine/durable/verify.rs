//! Checks a data folder that no server uses, without changing it.

use super::folder::DataFolder;
use super::history;
use super::inspection::Inspection;
use super::record::read_record;
use super::table::Table;
use crate::encryption::KeyRing;
use crate::engine::EngineError;
use crate::engine::codec::{self, RecordRow};
use crate::model::Handle;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pages in use.
    pub pages: usize,
    /// Pages that can't be read.
    pub damaged_pages: usize,
    /// Sessions whose records can be read.
    pub sessions: u64,
    /// Sessions whose records are damaged, or that a list names and damaged pages hide.
    pub damaged_sessions: BTreeSet<Handle>,
    /// Events of the history that can be read.
    pub events: u64,
    /// Events that are damaged.
    pub damaged_events: u64,
    /// Why a server would refuse the folder; `None` if it would open it.
    pub refusal: Option<String>,
}

impl Verified {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged_pages == 0
            && self.damaged_sessions.is_empty()
            && self.damaged_events == 0
            && self.refusal.is_none()
    }
}

/// Reads all data in use in a data folder. Encrypted data needs its keys.
pub fn verify(folder: &Path, keys: Option<&KeyRing>) -> Result<Verified, EngineError> {
    let _held = DataFolder::hold(folder)?;
    let inspection = Inspection::of(&folder.join("sled"), keys)?;
    let mut verified = Verified {
        pages: inspection.used_pages(),
        damaged_pages: inspection.damaged_pages(),
        refusal: inspection.refusal(),
        ..Verified::default()
    };
    let mut readable = BTreeSet::new();
    let mut split = BTreeMap::new();
    let sessions = inspection.table(Table::Sessions)?;
    for rows in inspection.rows(&sessions) {
        for (key, row) in rows? {
            let Some(handle) = Handle::from_slice(&key) else { continue };
            match codec::decode_row(row.clone().into()) {
                Ok(RecordRow::Whole(record)) if record.handle == handle => drop(readable.insert(handle)),
                Ok(RecordRow::Split { .. }) => drop(split.insert(handle, row)),
                Ok(RecordRow::Whole(_)) | Err(_) => drop(verified.damaged_sessions.insert(handle)),
            }
        }
    }
    for handle in join(&inspection, &mut split)? {
        readable.insert(handle);
    }
    // The sessions that are left have parts missing.
    verified.damaged_sessions.extend(split.into_keys());
    if sessions.missing_ranges() > 0 {
        let members = inspection.index(Table::Members)?;
        for rows in inspection.rows(&members) {
            let handles = rows?.into_iter().filter_map(|(key, _)| Handle::from_slice(key.last_chunk::<16>()?));
            verified.damaged_sessions.extend(handles.filter(|handle| !readable.contains(handle)));
        }
    }
    verified.sessions = readable.len() as u64;
    verify_events(&inspection, &mut verified)?;
    Ok(verified)
}

/// Reads every event that is not dropped. An event may be both in sled and in the redo log.
fn verify_events(inspection: &Inspection, verified: &mut Verified) -> Result<(), EngineError> {
    let dropped_through = inspection.events_dropped_through()?;
    let mut whole = BTreeSet::new();
    let tree = inspection.index(Table::Events)?;
    for rows in inspection.rows(&tree) {
        for (key, row) in rows? {
            let Ok(events) = history::read(&key, row.into()) else {
                verified.damaged_events += 1;
                continue;
            };
            for (sequence, payload) in events {
                match codec::decode_event_payload(sequence, payload) {
                    Ok(_) if sequence > dropped_through => drop(whole.insert(sequence)),
                    Ok(_) => {}
                    Err(_) => verified.damaged_events += 1,
                }
            }
        }
    }
    verified.events = whole.len() as u64;
    Ok(())
}

/// Joins the parts of split records. The parts come in the order of their sessions. Removes the sessions that it could
/// join from `split`, and returns them.
fn join(inspection: &Inspection, split: &mut BTreeMap<Handle, Vec<u8>>) -> Result<Vec<Handle>, EngineError> {
    let tree = inspection.table(Table::Parts)?;
    let mut joined = Vec::new();
    let mut finish = |handle: Handle, parts: &BTreeMap<Vec<u8>, Vec<u8>>| {
        if split.get(&handle).is_some_and(|row| read_record(handle, row.clone(), parts).is_some()) {
            split.remove(&handle);
            joined.push(handle);
        }
    };
    let mut parts = BTreeMap::new();
    let mut current = Handle::FIRST;
    for rows in inspection.rows(&tree) {
        for (key, row) in rows? {
            let Some(handle) = key.get(..16).and_then(Handle::from_slice) else { continue };
            if handle != current {
                finish(current, &std::mem::take(&mut parts));
                current = handle;
            }
            parts.insert(key, row);
        }
    }
    finish(current, &parts);
    Ok(joined)
}
