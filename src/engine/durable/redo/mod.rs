//! The redo log: all changes that may not be in sled yet, in the order in which they were made.
//!
//! A transaction is durable once its entry is synced, and one `fdatasync` serves all transactions that wait. A
//! checkpoint writes the rows into sled later, in bulk. After a crash, the next opening reads the rows from here. So
//! data that sled has written but not synced is never missed, and a row that changes often is written into sled once.
//!
//! Each generation has a file, `redo.N`. A generation ends when its rows are to be written back. Once they are
//! certainly in sled, the file is renamed and used for the generation after the next. Overwriting costs a third less
//! than appending, because the file's length and blocks stay. So at most two generations are needed at any time, and an
//! opening applies them one after the other. Applying rows that are in sled already does no harm.
//!
//! ```text
//! entry    length of the rows (u32), checksum of generation, offset, and rows (u32), rows
//! rows     one after the other; encrypted, if there are keys: the format byte of encrypted rows, and their ciphertext
//! row      table number, plus 128 if removed; length of the key, key; unless removed, length of the value, value
//! ```
//!
//! Numbers are big-endian; lengths in a row are varints. An entry without rows ends a generation. Bytes behind the last
//! entry are zeros, or of an older generation, which the checksum tells.

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

/// The generations that have files, in order.
fn generations(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Empties the redo log when none of it is needed any more. It goes on with the generation `next`.
pub(super) fn empty(folder: &Path, watermark: &WatermarkFile, next: u64) -> io::Result<()> {
    // The watermark comes first: it must not expect a file that is removed already.
    watermark.update(|watermark| watermark.redo = Position { generation: next, bytes: 0 })?;
    watermark.sync()?;
    for generation in generations(folder)? {
        fs::remove_file(path_of(folder, generation))?;
    }
    // Nothing of a later generation may be synced while a power cut could bring an older file back.
    fs::File::open(folder)?.sync_all()
}

/// A position in the redo log. For a synced position, everything before it is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The generation; 0 if there was none.
    pub(super) generation: u64,
    /// The offset in its file, in bytes.
    pub(super) bytes: u64,
}
