//! What happened to a session, as it is kept for watchers.

use super::{Attributes, Record};
use crate::clock::Millis;
use smallvec::SmallVec;
use std::sync::Arc;

/// What happened. The numbers stand in stored events and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// The session was made.
    Created = 0,
    /// Its data changed.
    Updated = 1,
    /// It got a new ID.
    Rotated = 2,
    /// It was ended by its ID or handle.
    Deleted = 3,
    /// It reached the end of a timeout.
    Expired = 4,
    /// It was ended from outside.
    Revoked = 5,
}

impl EventKind {
    /// By number.
    const ALL: [Self; 6] = [Self::Created, Self::Updated, Self::Rotated, Self::Deleted, Self::Expired, Self::Revoked];

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

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
    /// unless its namespace keeps them; of a sealed session, always without.
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
            // Nobody could open them, since an event has no ID.
            sealed: record.sealed.as_ref().map(|_| Arc::default()),
            ..*record
        };
        Self { sequence: 0, transaction: 0, kind, time, record }
    }
}
