//! Reads a data folder that no engine has open: sled's files, the sync watermark, and the redo log.

mod rows;

use super::cipher::Cipher;
use super::encryption_state::{EncryptionState, KeyProblem};
use super::keys::{DROPPED_THROUGH, generation_key, tree_name};
use super::redo::Redo;
use super::sled::SledFiles;
use super::sync_watermark::{self, StoredWatermark};
use super::table::Table;
use crate::encryption::KeyRing;
use crate::engine::EngineError;
use crate::engine::codec;
pub(super) use rows::InspectedTable;
use std::io;
use std::path::Path;

/// What was found in a data folder.
#[derive(Debug)]
pub(super) struct Inspection {
    sled: SledFiles,
    pub(super) watermark: StoredWatermark,
    /// Under which keys the data is encrypted.
    pub(super) encryption: EncryptionState,
    /// Why nobody can tell that.
    key_problem: Option<KeyProblem>,
    /// The redo log, whose rows override those in the pages.
    pub(super) redo: Redo,
}

/// Refuses keys with which a server could not open this data folder. It changes nothing.
pub fn check_keys(folder: &Path, keys: Option<&KeyRing>) -> Result<(), EngineError> {
    check_keys_of(&folder.join("sled"), keys)
}

/// The same for the folder of sled's files.
pub(super) fn check_keys_of(sled: &Path, keys: Option<&KeyRing>) -> Result<(), EngineError> {
    Ok(required_keys(sled, sync_watermark::read(sled)?)?.require(keys)?)
}

fn required_keys(sled: &Path, watermark: StoredWatermark) -> Result<EncryptionState, EngineError> {
    EncryptionState::read(sled, watermark.known().is_some_and(|watermark| watermark.is_encrypted))
}

impl Inspection {
    /// Reads all data in use. That takes about as long as reading the files. Without the keys of encrypted data it fails.
    pub(super) fn of(sled: &Path, keys: Option<&KeyRing>) -> Result<Self, EngineError> {
        let watermark = sync_watermark::read(sled)?;
        // What is left can be read all the same with the right keys, though no server opens it.
        let (encryption, key_problem) = match (required_keys(sled, watermark), keys) {
            (Err(EngineError::Keys(problem)), Some(keys)) if problem.is_damage() => {
                (EncryptionState::unknown(keys), Some(problem))
            }
            (encryption, _) => (encryption?, None),
        };
        encryption.require(keys)?;
        let cipher = Cipher::new(keys, &encryption);
        let redo = Redo::read(sled, watermark.known().map(|watermark| watermark.redo), &cipher)?;
        let sled = SledFiles::read(sled, watermark.known(), cipher)?;
        Ok(Self { sled, watermark, encryption, key_problem, redo })
    }

    /// How many pages hold something.
    pub(super) fn used_pages(&self) -> usize {
        self.sled.used_pages()
    }

    /// How many pages can't be read. Sessions on them are damaged; sled can work with the others.
    pub(super) fn damaged_pages(&self) -> usize {
        self.sled.damaged_pages()
    }

    /// Whether acknowledged changes of unknown sessions may be missing.
    pub(super) fn is_uncertain(&self) -> bool {
        self.watermark == StoredWatermark::Damaged
            || self.lacks_watermark()
            || self.redo.damage.is_some()
            || self.sled.is_uncertain()
    }

    /// Whether there may be sealed sessions.
    pub(super) fn may_hold_sealed(&self) -> bool {
        self.watermark.known().is_some_and(|watermark| watermark.is_sealed)
    }

    /// Whether there is data but no watermark, so that nobody can tell whether the data is complete.
    pub(super) fn lacks_watermark(&self) -> bool {
        self.watermark == StoredWatermark::Missing && (self.used_pages() > 0 || !self.redo.rows.is_empty())
    }

    /// Whether nothing was ever stored here.
    pub(super) fn is_new(&self) -> bool {
        self.watermark == StoredWatermark::Missing && !self.sled.has_log() && self.redo.rows.is_empty()
    }

    /// Whether the redo log has this row, and is complete, so that the row is the newest.
    pub(super) fn is_in_whole_redo_log(&self, table: Table, key: &[u8]) -> bool {
        let is_whole = self.redo.damage.is_none() && matches!(self.watermark, StoredWatermark::Whole(_));
        is_whole && self.redo.rows.rows(table).contains_key(key)
    }

    /// Finds the pages of the newest generation of an index.
    pub(super) fn index(&self, table: Table) -> io::Result<InspectedTable> {
        let generation = self.number_in_meta(generation_key(table.name()).as_bytes())?;
        self.named(table, &tree_name(table.name(), generation))
    }

    /// The sequence number up to which events were dropped.
    pub(super) fn events_dropped_through(&self) -> io::Result<u64> {
        self.number_in_meta(DROPPED_THROUGH)
    }

    fn number_in_meta(&self, wanted: &[u8]) -> io::Result<u64> {
        let mut number = 0;
        for rows in self.rows(&self.table(Table::Meta)?) {
            let row = rows?.into_iter().find(|(key, _)| *key == wanted);
            number = row.and_then(|(_, row)| codec::decode_millis(row.into()).ok()).unwrap_or(number);
        }
        Ok(number)
    }

    /// The offsets in sled's log file of segments that sled must not see.
    pub(super) fn stray_segments(&self) -> &[u64] {
        self.sled.stray_segments()
    }

    /// Why sled must not open the folder; `None` if it may.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.watermark == StoredWatermark::Damaged {
            return Some(
                "the file acknowledged is damaged, so that nobody can tell whether changes are missing".into(),
            );
        }
        if self.lacks_watermark() {
            return Some(
                "the file acknowledged is missing, so that nobody can tell whether changes are; put it back, or if the \
                 folder is of a version that had none, start once with --accept-unmarked-data"
                    .into(),
            );
        }
        self.damage_beside_watermark()
    }

    /// The same for a folder that is accepted without a watermark.
    pub(super) fn damage_beside_watermark(&self) -> Option<String> {
        if let Some(problem) = &self.key_problem {
            return Some(problem.to_string());
        }
        if let Some(damage) = &self.redo.damage {
            return Some(damage.clone());
        }
        self.sled.damage()
    }
}
