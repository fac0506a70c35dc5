//! The redo log: what was changed and is not in sled for certain, in the order in which it was changed.
//!
//! A transaction is durable once its entry is synced, with one `fdatasync` for all that wait. A checkpoint writes the rows
//! into sled later, in bulk; after a crash the next opening reads them from here. So what sled has written and not synced
//! is never missed, and a row that is changed often is written into sled once.
//!
//! There is one file for each generation, `redo.N`. A generation ends when its rows are to be written back; when they are
//! in sled for certain, its file is renamed and used again for the generation after the next: writing over what is there
//! costs a third less than appending, since the file's length and blocks stay. So at most two generations are needed at
//! any time, and an opening applies them one after the other; what was in sled already does no harm.
//!
//! ```text
//! entry    length of the rows (u32), checksum of generation, place, and rows (u32), rows
//! row      number of the table, 128 added if it is removed; length of the key, key; and if not, length of the value, value
//! ```
//!
//! Numbers are big-endian, lengths in a row are varints. An entry without rows ends a generation. What stands behind the
//! last entry is of an older generation, or zero; the checksum tells.

mod entry;
mod reader;
mod writer;

pub(super) use reader::Redo;
pub(super) use writer::{GROWTH, RedoFile, RedoWriter, Write};

use super::sync_watermark::WatermarkFile;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "redo.";

fn path_of(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{generation}"))
}

/// The generations of which there are files, in order.
fn generations(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Empties the redo log, of which nothing is needed any more. It goes on with this generation.
pub(super) fn empty(folder: &Path, watermark: &WatermarkFile, next: u64) -> io::Result<()> {
    // First what is expected, and only then what is there.
    watermark.update(|watermark| watermark.redo = Position { generation: next, bytes: 0 })?;
    watermark.sync()?;
    for generation in generations(folder)? {
        fs::remove_file(path_of(folder, generation))?;
    }
    // Of a later generation nothing may be synced while an older one might come back.
    fs::File::open(folder)?.sync_all()
}

/// Where a sync has come to: everything before this was synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The generation; 0 if there was none yet.
    pub(super) generation: u64,
    /// Bytes of its file.
    pub(super) bytes: u64,
}
