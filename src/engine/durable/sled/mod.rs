//! sled 0.34, and what it lacks. Only this module names the crate, knows its traps, or reads its files.
//!
//! The rest of the engine opens a [`Database`] and reads its tables ([`RowTable`], [`LeafTable`], or either as a
//! [`Store`]). The checkpoint writes rows back, and syncs and cleans up the [`Log`]. [`SledFiles`] reads the same data
//! without sled, and [`housekeeping`] keeps the files as sled needs them.
//!
//! The traps, and how they are avoided:
//! - sled reuses the space of an old copy while the new copy may not be on disk yet. So only the checkpoint thread
//!   changes sled, and what it has written and not synced is bounded ([`Log`]);
//! - sled's own flusher keeps no such bound, so it is off;
//! - the first batch or transaction would put every later operation behind one process-wide lock. So there are only
//!   plain inserts and removes, and an interrupted write-back is repeated from the redo log;
//! - `flush()` ends in `sync_file_range` on Linux, so a real `sync_data` follows it;
//! - sled does not sync blob files, so rows stay small enough that it never writes one;
//! - sled does not sync its other files, and an interrupted opening can leave it unable to open ([`housekeeping`]).

mod database;
mod error;
mod files;
pub(super) mod housekeeping;
mod leaf_table;
mod log;
mod row_table;
mod store;

pub(super) use database::{Database, Health};
#[cfg(any(test, fuzzing))]
pub(crate) use files::fuzzing::pages as fuzz_pages;
pub(super) use files::{PageRows, SledFiles, TablePages};
pub(super) use log::Log;
pub(super) use row_table::{Renewed, RowTable};
pub(super) use store::Store;

use bytes::Bytes;
use std::path::{Path, PathBuf};

/// The size of a segment of sled's log. A record of the log is at most a quarter of it; for a larger one sled would
/// write a blob file.
pub(super) const SEGMENT_BYTES: usize = 2 << 20;

/// A larger row must be split. sled writes a page as one record of its log, and a page holds at most 20 rows before it
/// is split or after it was merged. 20 such rows stay below the 512 KiB above which sled would write a blob file.
pub(super) const MAX_ROW_BYTES: usize = 20 << 10;

/// The path of sled's log in its folder.
fn log_path(sled: &Path) -> PathBuf {
    sled.join("db")
}

/// Shares sled's buffer instead of copying it.
fn to_bytes(row: ::sled::IVec) -> Bytes {
    Bytes::from_owner(row)
}
