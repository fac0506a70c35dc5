//! Backups: the sessions and the history of events of one moment, in one file or stream.
//!
//! A backup holds no session ID. Of IDs and tickets it has only the stored hashes, which open nothing. It does hold
//! attributes, principals and labels. They are encrypted if the server has keys; otherwise keep it as safe as the data
//! folder.
//!
//! # Format, versions 1 to 4
//!
//! ```text
//! magic      16 bytes  "sessiond backup\n"
//! version     4 bytes  1, or 2 if it is encrypted; 3 and 4 are the same if there may be sealed sessions
//! key         4 bytes  only if it is encrypted: the number of the key
//! ID         16 bytes  only if it is encrypted: random
//! chunks               one after the other, up to the end of the file
//! ```
//!
//! A chunk (all numbers are big-endian):
//!
//! ```text
//! length      4 bytes  of the payload, as it stands here
//! raw length  4 bytes  of the payload once decompressed, at most 128 MiB
//! checksum    4 bytes  CRC-32 of the two lengths and the payload
//! payload              an LZ4 block: protobuf messages, each behind its length as a varint; its ciphertext if it is encrypted,
//!                      bound to the ID and the number of the chunk, from 0 on
//! ```
//!
//! The messages are those of `entry.rs`:
//! - first a header: version, server, moment, options;
//! - then sessions, removals and events, in the order in which to apply them: a session may come again in a newer
//!   state, or be removed. A session is the row in which the engine stores it, merged with its last touch, and with the
//!   hashes of its chosen IDs that lead to it. An event has its sequence number, so that watchers can resume;
//! - at last, alone in its chunk, the end: the counts of all messages before, the moment of the cut, the number up to
//!   which the history was dropped, the sequence gaps, and the SHA-256 of every byte of the file before this chunk.
//!
//! A reader trusts nothing before it has seen the end, so it notices every flipped byte and every cut. Fields may be
//! added. A change that an older reader could not restore needs a new version, which the older reader refuses.

mod entry;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod read;
mod restore;
mod write;

#[cfg(test)]
mod tests;

pub use read::{BackupReader, Finished, Next, ReadError};
pub use restore::{Built, RestoreError, Restored, restore};
pub use write::BackupWriter;

use crate::clock::Millis;
use crate::encryption::KeyRing;
use crate::engine::SequenceGap;
use crate::model::{Event, Handle, IdHash, Record};

/// The versions of the format. A server writes the oldest one that tells what an older server must know: whether the backup is
/// encrypted, and whether there may be sealed sessions, which an older server would restore without their attributes.
const PLAIN_VERSION: u32 = 1;
const ENCRYPTED_VERSION: u32 = 2;
const SEALED_VERSION: u32 = 3;
const SEALED_ENCRYPTED_VERSION: u32 = 4;
/// The newest of them.
const FORMAT_VERSION: u32 = SEALED_ENCRYPTED_VERSION;

/// The version of the format in which a server with these keys writes. `sealed` is whether there may be sealed sessions.
#[must_use]
pub fn format_version(keys: Option<&KeyRing>, sealed: bool) -> u32 {
    match (sealed, keys.and_then(KeyRing::writes_under)) {
        (false, None) => PLAIN_VERSION,
        (false, Some(_)) => ENCRYPTED_VERSION,
        (true, None) => SEALED_VERSION,
        (true, Some(_)) => SEALED_ENCRYPTED_VERSION,
    }
}

impl Opening {
    /// Whether there may be sealed sessions.
    fn may_hold_sealed(&self) -> bool {
        self.format_version >= SEALED_VERSION
    }
}

const MAGIC: &[u8; 16] = b"sessiond backup\n";
/// The bytes of an encrypted backup's ID.
const ID_BYTES: usize = 16;
/// The bytes of the lengths and the checksum.
const CHUNK_HEADER_BYTES: usize = 12;
/// A chunk is closed once it holds this many bytes, before compression.
const CHUNK_BYTES: usize = 256 << 10;
/// The most bytes in a chunk, before compression. The largest session fits, with room to spare.
const MAX_CHUNK_BYTES: usize = 128 << 20;
/// The compression of payloads, as the header names it.
const COMPRESSION: &str = "lz4";

/// The most damaged sessions that are named. The others are only counted.
pub(crate) const MAX_NAMED: usize = 1_000;

/// One item of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A session.
    Session {
        /// Its record, with the last touch merged.
        record: Box<Record>,
        /// Those of its chosen IDs that lead to it.
        lookups: Vec<IdHash>,
    },
    /// The session with this handle is gone.
    Removed(Handle),
    /// An event of the history.
    Event(Box<Event>),
}

/// What a backup says about itself at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The version of its format.
    pub format_version: u32,
    /// The version of the server that made it.
    pub server_version: String,
    /// When it was begun.
    pub begun: Millis,
    /// About how many sessions it is going to hold.
    pub expected_sessions: u64,
}

/// The moment whose state a backup holds, and its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The moment.
    pub moment: Millis,
    /// The sessions stored at the moment, without damaged ones. Expired sessions count until they are swept.
    pub sessions: u64,
    /// The events in the history at the moment.
    pub events: u64,
    /// The sequence number up to which events were dropped from the history.
    pub dropped_through: u64,
    /// The newest event's sequence number; 0 if there was none.
    pub last_event: u64,
    /// The sequence gaps.
    pub gaps: Vec<SequenceGap>,
    /// How many sessions are not in the backup because their stored rows are damaged.
    pub damaged_count: u64,
    /// Those sessions, at most [`MAX_NAMED`] of them.
    pub damaged: Vec<Handle>,
    /// Whether the history is not in the backup because it is damaged.
    pub history_damaged: bool,
}
