//! Reads sled's snapshot: the addresses of all pages when the folder was last opened. Later changes are in the log.

use super::super::SEGMENT_BYTES;
use super::message::Reader;
use std::fs;
use std::io;
use std::path::Path;

/// The address of a message, in the log and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The offset in the log.
    pub(super) log: u64,
    /// The offset in the file.
    pub(super) file: u64,
}

/// The state of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// It has an entry in the table, but nothing is known about it.
    Unknown,
    /// It is unused.
    Free,
    /// The addresses of its content and of its changes.
    Used(Vec<Address>),
}

/// A snapshot.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The first byte of the log that the snapshot does not cover.
    pub(super) end: u64,
    /// The offset of that byte in the file; `None` if a new segment begins there.
    pub(super) tip: Option<u64>,
    /// The pages by their numbers.
    pub(super) pages: Vec<Page>,
}

/// Reads the newest snapshot; an empty one if there is none, `None` if it is damaged.
pub(super) fn read(folder: &Path) -> io::Result<Option<Snapshot>> {
    let mut newest = None;
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && path.extension().is_some_and(|extension| extension != "generating") {
            newest = newest.max(Some(path));
        }
    }
    match newest {
        None => Ok(Some(Snapshot::default())),
        Some(path) => Ok(decode(&fs::read(path)?)),
    }
}

fn decode(file: &[u8]) -> Option<Snapshot> {
    let (rest, sum) = file.split_last_chunk::<4>()?;
    let (body, _length) = rest.split_last_chunk::<8>()?;
    if body.is_empty() || crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = Reader(body);
    // Both numbers are stored plus one, so that 0 means "none".
    let end = u64::from_le_bytes(rest.take_array()?).saturating_sub(1);
    let active_segment = rest.number()?.checked_sub(1);
    let tip = match active_segment {
        Some(segment) => Some(segment.checked_add(end % SEGMENT_BYTES as u64)?),
        None => None,
    };
    let mut pages = Vec::new();
    while !rest.0.is_empty() {
        pages.push(match rest.byte()? {
            0 => {
                address(&mut rest)?;
                Page::Free
            }
            addresses => {
                let read = |_| {
                    let address = address(&mut rest)?;
                    let _size = rest.number()?;
                    Some(address)
                };
                Page::Used((0..addresses).map(read).collect::<Option<_>>()?)
            }
        });
    }
    Some(Snapshot { end, tip, pages })
}

fn address(rest: &mut Reader<'_>) -> Option<Address> {
    let log = u64::from_le_bytes(rest.take_array()?);
    match rest.byte()? {
        0 => Some(Address { log, file: rest.number()? }),
        // This is a blob file, for which sessiond's rows are too small.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_behind_every_file_is_damage() {
        let body = [&1_u64.to_le_bytes()[..], &[255], &u64::MAX.to_le_bytes()].concat();
        let file = |body: &[u8]| [body, &[0; 8], &crc32fast::hash(body).to_le_bytes()].concat();
        assert!(decode(&file(&body)).is_some());
        let behind = [&3_u64.to_le_bytes()[..], &body[8..]].concat();
        assert!(decode(&file(&behind)).is_none());
    }
}
