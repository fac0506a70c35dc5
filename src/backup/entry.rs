//! The contents of a backup as protobuf messages. Fields may be added, but a field number is never reused.

use super::read::ReadError;
use super::{COMPRESSION, Cut, Opening, Saved};
use crate::clock::Millis;
use crate::engine::{SequenceGap, decode_event, decode_record, encode_event, encode_record};
use crate::model::{Handle, IdHash};
use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    Header(Header),
    #[prost(message, tag = "2")]
    Session(Session),
    /// The handle of a session that was removed.
    #[prost(bytes = "bytes", tag = "3")]
    Removed(Bytes),
    #[prost(message, tag = "4")]
    Event(HistoryEvent),
    #[prost(message, tag = "5")]
    End(End),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(uint32, tag = "1")]
    pub(super) format_version: u32,
    #[prost(string, tag = "2")]
    server_version: String,
    #[prost(uint64, tag = "3")]
    begun: Millis,
    #[prost(string, tag = "4")]
    pub(super) compression: String,
    #[prost(uint64, tag = "5")]
    expected_sessions: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Session {
    /// As the engine stores it.
    #[prost(bytes = "bytes", tag = "1")]
    row: Bytes,
    /// 32 bytes each.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    lookups: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistoryEvent {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    /// As the engine stores it.
    #[prost(bytes = "bytes", tag = "2")]
    row: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct End {
    #[prost(uint64, tag = "1")]
    moment: Millis,
    /// The counts of the messages before this one, without the header.
    #[prost(message, optional, tag = "2")]
    pub(super) counts: Option<Counts>,
    #[prost(uint64, tag = "3")]
    sessions: u64,
    #[prost(uint64, tag = "4")]
    events: u64,
    #[prost(uint64, tag = "5")]
    dropped_through: u64,
    #[prost(uint64, tag = "6")]
    last_event: u64,
    #[prost(uint64, tag = "7")]
    damaged: u64,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    damaged_handles: Vec<Bytes>,
    #[prost(bool, tag = "9")]
    history_damaged: bool,
    #[prost(bytes = "bytes", tag = "10")]
    pub(super) sha256: Bytes,
    #[prost(message, repeated, tag = "11")]
    gaps: Vec<SavedSequenceGap>,
}

/// A sequence gap.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct SavedSequenceGap {
    #[prost(uint64, tag = "1")]
    after: u64,
    #[prost(uint64, tag = "2")]
    through: u64,
}

/// The number of messages of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Counts {
    #[prost(uint64, tag = "1")]
    pub(super) sessions: u64,
    #[prost(uint64, tag = "2")]
    pub(super) removed: u64,
    #[prost(uint64, tag = "3")]
    pub(super) events: u64,
}

impl Counts {
    pub(super) fn count(&mut self, saved: &Saved) {
        match saved {
            Saved::Session { .. } => self.sessions += 1,
            Saved::Removed(_) => self.removed += 1,
            Saved::Event(_) => self.events += 1,
        }
    }
}

impl From<&Opening> for Header {
    fn from(opening: &Opening) -> Self {
        Self {
            format_version: opening.format_version,
            server_version: opening.server_version.clone(),
            begun: opening.begun,
            compression: COMPRESSION.into(),
            expected_sessions: opening.expected_sessions,
        }
    }
}

impl From<Header> for Opening {
    fn from(header: Header) -> Self {
        Self {
            format_version: header.format_version,
            server_version: header.server_version,
            begun: header.begun,
            expected_sessions: header.expected_sessions,
        }
    }
}

impl End {
    pub(super) fn new(cut: &Cut, counts: Counts, sha256: Bytes) -> Self {
        Self {
            moment: cut.moment,
            counts: Some(counts),
            sessions: cut.sessions,
            events: cut.events,
            dropped_through: cut.dropped_through,
            last_event: cut.last_event,
            damaged: cut.damaged_count,
            damaged_handles: cut.damaged.iter().map(to_bytes).collect(),
            history_damaged: cut.history_damaged,
            sha256,
            gaps: cut.gaps.iter().map(|gap| SavedSequenceGap { after: gap.after, through: gap.through }).collect(),
        }
    }

    pub(super) fn cut(&self) -> Result<Cut, ReadError> {
        Ok(Cut {
            moment: self.moment,
            sessions: self.sessions,
            events: self.events,
            dropped_through: self.dropped_through,
            last_event: self.last_event,
            damaged_count: self.damaged,
            damaged: self.damaged_handles.iter().map(to_handle).collect::<Result<_, _>>()?,
            history_damaged: self.history_damaged,
            gaps: self.gaps.iter().map(|gap| SequenceGap { after: gap.after, through: gap.through }).collect(),
        })
    }
}

impl From<Saved> for Kind {
    fn from(saved: Saved) -> Self {
        match saved {
            Saved::Session { record, lookups } => Self::Session(Session {
                row: encode_record(&record),
                lookups: lookups.iter().map(|hash| Bytes::copy_from_slice(hash.as_bytes())).collect(),
            }),
            Saved::Removed(handle) => Self::Removed(to_bytes(&handle)),
            Saved::Event(event) => Self::Event(HistoryEvent { sequence: event.sequence, row: encode_event(&event) }),
        }
    }
}

impl TryFrom<Session> for Saved {
    type Error = ReadError;

    fn try_from(session: Session) -> Result<Self, ReadError> {
        let record = decode_record(session.row).map_err(|_| ReadError::Damaged("a session can't be decoded"))?;
        let hash =
            |bytes: &Bytes| IdHash::from_slice(bytes).ok_or(ReadError::Damaged("the hash of an ID is too short"));
        let lookups = session.lookups.iter().map(hash).collect::<Result<_, _>>()?;
        Ok(Self::Session { record: Box::new(record), lookups })
    }
}

impl TryFrom<HistoryEvent> for Saved {
    type Error = ReadError;

    fn try_from(event: HistoryEvent) -> Result<Self, ReadError> {
        let event = decode_event(event.sequence, event.row);
        event.map(|event| Self::Event(Box::new(event))).map_err(|_| ReadError::Damaged("an event can't be decoded"))
    }
}

pub(super) fn to_handle(bytes: &Bytes) -> Result<Handle, ReadError> {
    Handle::from_slice(bytes).ok_or(ReadError::Damaged("a handle is not 16 bytes long"))
}

fn to_bytes(handle: &Handle) -> Bytes {
    Bytes::copy_from_slice(&handle.to_bytes())
}
