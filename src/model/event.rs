//! What happened to a session, as it is kept for watchers.

use super::{Attributes, Record};
use crate::clock::Millis;
use smallvec::SmallVec;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The session was made.
    Created,
    /// Its data changed.
    Updated,
    /// It got a new ID.
    Rotated,
    /// It was ended by its ID or handle.
    Deleted,
    /// It reached the end of a timeout.
    Expired,
    /// It was ended from outside.
    Revoked,
}

impl EventKind {
    /// Whether the session is gone after the event.
    #[must_use]
    pub fn ends_session(self) -> bool {
        matches!(self, Self::Deleted | Self::Expired | Self::Revoked)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's number in the history; the engine assigns it.
    pub sequence: u64,
    /// The sequence of the first event of the same transaction; the engine assigns it.
    pub transaction: u64,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub time: Millis,
    /// The session after the event, or before it if the event ended it; without its secrets, and without attributes
    /// unless its namespace keeps them.
    pub record: Record,
}

impl Event {
    /// An event that has no number in the history yet.
    #[must_use]
    pub fn new(kind: EventKind, time: Millis, record: &Record, keep_attributes: bool) -> Self {
        let record = Record {
            credentials: SmallVec::new(),
            tickets: Vec::new(),
            namespace: record.namespace.clone(),
            principal: record.principal.clone(),
            labels: record.labels.clone(),
            attributes: if keep_attributes { record.attributes.clone() } else { Attributes::default() },
            ..*record
        };
        Self { sequence: 0, transaction: 0, kind, time, record }
    }
}
