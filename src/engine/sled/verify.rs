//! Checking a data folder that no server uses, without changing it.

use super::disk::Inspection;
use super::folder::DataFolder;
use super::tables::MEMBERS;
use crate::engine::EngineError;
use crate::engine::codec::{self, RecordRow};
use crate::model::Handle;
use std::collections::BTreeSet;
use std::path::Path;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pages in use.
    pub pages: usize,
    /// Pages that can't be read.
    pub damaged_pages: usize,
    /// Sessions whose records can be read.
    pub sessions: u64,
    /// Sessions whose records are there and damaged, or that lists name and that can't be found for damaged pages.
    pub damaged_sessions: BTreeSet<Handle>,
    /// Why a server would refuse the folder; `None` if it would open it.
    pub refusal: Option<String>,
}

impl Verified {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged_pages == 0 && self.damaged_sessions.is_empty() && self.refusal.is_none()
    }
}

/// Reads everything in a data folder that is in use.
pub fn verify(folder: &Path) -> Result<Verified, EngineError> {
    let _held = DataFolder::hold(folder)?;
    let inspection = Inspection::of(&folder.join("sled"))?;
    let mut verified = Verified {
        pages: inspection.used_pages(),
        damaged_pages: inspection.damaged_pages(),
        refusal: inspection.refusal(),
        ..Verified::default()
    };
    let mut readable = BTreeSet::new();
    let sessions = inspection.tree("sessions")?;
    for rows in inspection.rows(&sessions) {
        for (key, row) in rows? {
            let Some(handle) = Handle::from_slice(&key) else { continue };
            let is_whole = match codec::decode_row(row.into()) {
                Ok(RecordRow::Whole(record)) => record.handle == handle,
                Ok(RecordRow::Split { .. }) => true,
                Err(_) => false,
            };
            let found = if is_whole { &mut readable } else { &mut verified.damaged_sessions };
            found.insert(handle);
        }
    }
    if sessions.gaps > 0 {
        let members = inspection.index(MEMBERS)?;
        for rows in inspection.rows(&members) {
            let handles = rows?.into_iter().filter_map(|(key, _)| Handle::from_slice(key.last_chunk::<16>()?));
            verified.damaged_sessions.extend(handles.filter(|handle| !readable.contains(handle)));
        }
    }
    verified.sessions = readable.len() as u64;
    Ok(verified)
}
