//! The rows in sled: which trees there are, how their keys look, and how large records are split.
//!
//! | tree       | key                          | value                             |
//! |------------|------------------------------|-----------------------------------|
//! | `sessions` | handle                       | record, or the list of its parts  |
//! | `parts`    | handle, revision, part       | part of a large record            |
//! | `lookups`  | hash of a chosen ID          | handle                            |
//! | `touches`  | handle                       | last access                       |
//! | `due`      | moment, handle               | nothing                           |
//!
//! Numbers in keys are big-endian, so that keys sort like them.

use super::super::EngineError;
use super::super::codec::{self, RecordRow};
use super::super::transaction::{Change, Due, View};
use crate::clock::Millis;
use crate::model::{Handle, IdHash, Record};
use ::sled::{Db, IVec, Tree};
use bytes::{Bytes, BytesMut};

/// Larger records are split. sled writes a page as one log record, and a page holds at most 20 rows before it is split
/// or after it was merged; 20 such rows stay below the 512 KiB above which it would write a blob file.
const MAX_ROW_BYTES: usize = 20 << 10;

/// How often a reader looks again when the writer replaced a split record under it.
const MAX_READ_ATTEMPTS: usize = 100;

/// sled's trees.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    sessions: Tree,
    parts: Tree,
    lookups: Tree,
    touches: Tree,
    due: Tree,
}

impl Tables {
    pub(super) fn open(db: &Db) -> Result<Self, EngineError> {
        let tables = Self {
            sessions: db.open_tree("sessions")?,
            parts: db.open_tree("parts")?,
            lookups: db.open_tree("lookups")?,
            touches: db.open_tree("touches")?,
            due: db.open_tree("due")?,
        };
        tables.remove_orphaned_parts()?;
        Ok(tables)
    }

    /// Carries out one step of a change.
    pub(super) fn apply(&self, change: Change) -> Result<(), EngineError> {
        match change {
            Change::PutLookup(hash, handle) => put(&self.lookups, hash.as_bytes(), &codec::encode_handle(handle))?,
            Change::PutDue(due) => put(&self.due, &due_key(due), &codec::empty_row())?,
            Change::PutRecord(record) => return self.put_record(*record),
            Change::PutTouch(handle, at) => put(&self.touches, &handle.to_bytes(), &codec::encode_millis(at))?,
            Change::RemoveRecord(handle) => {
                let previous = self.sessions.remove(handle.to_bytes())?;
                return self.remove_parts_of(handle, previous);
            }
            Change::RemoveTouch(handle) => self.touches.remove(handle.to_bytes()).map(drop)?,
            Change::RemoveDue(due) => self.due.remove(due_key(due)).map(drop)?,
            Change::RemoveLookup(hash) => self.lookups.remove(hash.as_bytes()).map(drop)?,
        }
        Ok(())
    }

    fn put_record(&self, record: Record) -> Result<(), EngineError> {
        let (handle, revision) = (record.handle, record.revision);
        let mut row = codec::encode_record(record);
        if row.len() > MAX_ROW_BYTES {
            // Parts first: a crash in between leaves parts without a record, never a record without its parts.
            let parts = row.chunks(MAX_ROW_BYTES).enumerate();
            for (part, bytes) in parts {
                put(
                    &self.parts,
                    &part_key(handle, revision, part),
                    &codec::encode_part(bytes),
                )?;
            }
            row = codec::encode_part_list(revision, row.len().div_ceil(MAX_ROW_BYTES));
        }
        let previous = self.sessions.insert(handle.to_bytes(), &row[..])?;
        self.remove_parts_of(handle, previous)
    }

    /// Removes the parts of a record that was replaced or removed.
    fn remove_parts_of(&self, handle: Handle, previous: Option<IVec>) -> Result<(), EngineError> {
        // A damaged row tells nothing of its parts; they are found when the folder is next opened.
        if let Some(Ok(RecordRow::Split { revision, parts })) = previous.map(|row| codec::decode_row(to_bytes(row))) {
            for part in 0..parts {
                self.parts.remove(part_key(handle, revision, part))?;
            }
        }
        Ok(())
    }

    /// Puts a split record together; `None` if the writer replaced it meanwhile.
    fn join_parts(&self, handle: Handle, revision: u64, parts: usize) -> Result<Option<Record>, EngineError> {
        let mut row = BytesMut::with_capacity(parts * MAX_ROW_BYTES);
        for part in 0..parts {
            let Some(bytes) = self.parts.get(part_key(handle, revision, part))? else {
                return Ok(None);
            };
            row.extend_from_slice(&codec::decode_part(to_bytes(bytes))?);
        }
        codec::decode_record(row.freeze()).map(Some)
    }

    /// Removes parts that no record lists, which a crash may have left.
    fn remove_orphaned_parts(&self) -> Result<(), EngineError> {
        let mut removed = 0_usize;
        for key in self.parts.iter().keys() {
            let key = key?;
            let handle = Handle::from_slice(&key[..16.min(key.len())]).ok_or_else(|| codec::corrupt("a part's key"))?;
            let row = self
                .sessions
                .get(handle.to_bytes())?
                .map(|row| codec::decode_row(to_bytes(row)));
            let listed = match row {
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

impl View for Tables {
    fn record(&self, handle: Handle) -> Result<Option<Record>, EngineError> {
        for _ in 0..MAX_READ_ATTEMPTS {
            let Some(row) = self.sessions.get(handle.to_bytes())? else {
                return Ok(None);
            };
            match codec::decode_row(to_bytes(row.clone()))? {
                RecordRow::Whole(record) => return Ok(Some(*record)),
                RecordRow::Split { revision, parts } => {
                    if let Some(record) = self.join_parts(handle, revision, parts)? {
                        return Ok(Some(record));
                    }
                    if self.sessions.get(handle.to_bytes())?.as_ref() == Some(&row) {
                        return Err(codec::corrupt("a part of a large record is missing"));
                    }
                }
            }
        }
        Err(codec::corrupt("a large record can't be read"))
    }

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        self.lookups
            .get(hash.as_bytes())?
            .map(|row| codec::decode_handle(to_bytes(row)))
            .transpose()
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        self.touches
            .get(handle.to_bytes())?
            .map(|row| codec::decode_millis(to_bytes(row)))
            .transpose()
    }

    fn due(&self, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        let after = now.saturating_add(1).to_be_bytes();
        self.due
            .range(..&after[..])
            .keys()
            .take(limit)
            .map(|key| read_due_key(&key?))
            .collect()
    }
}

fn put(tree: &Tree, key: &[u8], value: &[u8]) -> Result<(), ::sled::Error> {
    tree.insert(key, value).map(drop)
}

/// Shares sled's buffer instead of copying it.
fn to_bytes(row: IVec) -> Bytes {
    Bytes::from_owner(row)
}

fn due_key(due: Due) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&due.at.to_be_bytes());
    key[8..].copy_from_slice(&due.handle.to_bytes());
    key
}

fn read_due_key(key: &[u8]) -> Result<Due, EngineError> {
    let parts = key
        .split_first_chunk()
        .and_then(|(at, handle)| Some((at, Handle::from_slice(handle)?)));
    let (at, handle) = parts.ok_or_else(|| codec::corrupt("a key of the sweeper's index"))?;
    Ok(Due {
        at: Millis::from_be_bytes(*at),
        handle,
    })
}

fn part_key(handle: Handle, revision: u64, part: usize) -> [u8; 28] {
    let mut key = [0; 28];
    key[..16].copy_from_slice(&handle.to_bytes());
    key[16..24].copy_from_slice(&revision.to_be_bytes());
    key[24..].copy_from_slice(&u32::try_from(part).unwrap_or(u32::MAX).to_be_bytes());
    key
}
