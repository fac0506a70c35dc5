//! Backups: the sessions and the history of events of one moment, in one file or stream.
//!
//! A backup holds no session ID: of IDs and tickets it has the hashes that are stored, which open nothing. It does hold
//! attributes, principals and labels as they are, unencrypted: keep it as you keep the data folder.
//!
//! # Format, version 1
//!
//! ```text
//! magic      16 bytes  "sessiond backup\n"
//! version     4 bytes  1
//! chunks               one after the other, up to the end of the file
//! ```
//!
//! A chunk (all numbers are big-endian):
//!
//! ```text
//! length      4 bytes  of the payload, as it stands here
//! raw length  4 bytes  of the payload once decompressed, at most 128 MiB
//! checksum    4 bytes  CRC-32 of the two lengths and the payload
//! payload              an LZ4 block: protobuf messages, each behind its length as a varint
//! ```
//!
//! The messages are those of the file `entry.rs` here:
//! - first a header: version, server, moment, options;
//! - then sessions, removals and events, in the order in which they are to be carried out: a session may come again in a
//!   newer state, or be removed. A session is the row in which the engine stores it, with its last touch merged, and with
//!   the hashes of its chosen IDs that lead to it; an event has its sequence number, so that watchers can resume;
//! - at last, alone in its chunk, the end: the counts of all messages before, the moment of the cut, up to which event the
//!   history was dropped, the gaps in its numbers, and the SHA-256 of every byte of the file before this chunk.
//!
//! A reader trusts nothing before it has seen the end: every flipped byte and every cut is noticed. Fields may be added; what
//! an older reader could not restore gets a new version, which it refuses.

mod entry;
mod read;
mod restore;
mod write;

#[cfg(test)]
mod tests;

pub use read::{BackupReader, Finished, Next, ReadError};
pub use restore::{Built, RestoreError, Restored, restore};
pub use write::BackupWriter;

use crate::clock::Millis;
use crate::engine::SequenceGap;
use crate::model::{Event, Handle, IdHash, Record};

/// The newest version of the format, which this server writes.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 16] = b"sessiond backup\n";
/// Lengths and checksum.
const CHUNK_HEADER_BYTES: usize = 12;
/// A chunk is closed once it holds so much, before compression.
const CHUNK_BYTES: usize = 256 << 10;
/// No chunk holds more, before compression: the largest session and room to spare.
const MAX_CHUNK_BYTES: usize = 128 << 20;
/// How payloads are compressed, as the header names it.
const COMPRESSION: &str = "lz4";

/// Damaged sessions that are named, at most; the others are only counted.
pub(crate) const MAX_NAMED: usize = 1_000;

/// One thing that a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A session.
    Session {
        /// Its record, with the last touch merged.
        record: Box<Record>,
        /// Those of its chosen IDs that lead to it.
        lookups: Vec<IdHash>,
    },
    /// There is no such session any more.
    Removed(Handle),
    /// An event of the history.
    Event(Box<Event>),
}

/// What a backup says of itself at its beginning.
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

/// The moment whose state a backup is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The moment.
    pub moment: Millis,
    /// Sessions in store then, without those that are damaged; expired ones count until they are swept.
    pub sessions: u64,
    /// Events in the history then.
    pub events: u64,
    /// Events up to this sequence number were dropped from the history.
    pub dropped_through: u64,
    /// The newest event's sequence number; 0 if there was none.
    pub last_event: u64,
    /// The gaps in the numbers of events.
    pub gaps: Vec<SequenceGap>,
    /// How many sessions are not in the backup because their stored rows are damaged.
    pub damaged_count: u64,
    /// Those sessions, at most [`MAX_NAMED`] of them.
    pub damaged: Vec<Handle>,
    /// Whether the history is not in the backup because it is damaged.
    pub history_damaged: bool,
}
