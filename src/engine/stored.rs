//! Records and events as protobuf messages at rest. Fields may be added; their numbers are never reused.

use super::EngineError;
use super::codec::corrupt;
use crate::clock::Millis;
use crate::model::{Attribute, Credential, EventKind, Handle, Record, SecretHash, Ticket};
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredRecord {
    #[prost(bytes = "bytes", tag = "1")]
    handle: Bytes,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(uint64, tag = "3")]
    version: u64,
    #[prost(uint64, tag = "4")]
    revision: u64,
    #[prost(uint64, tag = "5")]
    created: Millis,
    #[prost(uint64, tag = "6")]
    updated: Millis,
    #[prost(uint64, tag = "7")]
    accessed: Millis,
    #[prost(uint64, tag = "8")]
    idle_timeout: Millis,
    #[prost(uint64, optional, tag = "9")]
    ends_at: Option<Millis>,
    #[prost(message, repeated, tag = "10")]
    credentials: Vec<StoredCredential>,
    #[prost(string, tag = "11")]
    principal: String,
    #[prost(btree_map = "string, string", tag = "12")]
    labels: BTreeMap<String, String>,
    #[prost(uint64, tag = "13")]
    sweep_at: Millis,
    #[prost(bytes = "bytes", repeated, tag = "14")]
    attributes: Vec<Bytes>,
    #[prost(message, repeated, tag = "15")]
    tickets: Vec<StoredTicket>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredTicket {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(string, tag = "2")]
    audience: String,
    #[prost(uint64, tag = "3")]
    expires_at: Millis,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredEvent {
    #[prost(uint64, tag = "1")]
    pub(super) transaction: u64,
    #[prost(enumeration = "StoredEventKind", tag = "2")]
    pub(super) kind: i32,
    #[prost(uint64, tag = "3")]
    pub(super) time: Millis,
    #[prost(message, optional, tag = "4")]
    pub(super) record: Option<StoredRecord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
pub(super) enum StoredEventKind {
    Created = 0,
    Updated = 1,
    Rotated = 2,
    Deleted = 3,
    Expired = 4,
    Revoked = 5,
}

impl From<EventKind> for StoredEventKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Created => Self::Created,
            EventKind::Updated => Self::Updated,
            EventKind::Rotated => Self::Rotated,
            EventKind::Deleted => Self::Deleted,
            EventKind::Expired => Self::Expired,
            EventKind::Revoked => Self::Revoked,
        }
    }
}

impl From<StoredEventKind> for EventKind {
    fn from(kind: StoredEventKind) -> Self {
        match kind {
            StoredEventKind::Created => Self::Created,
            StoredEventKind::Updated => Self::Updated,
            StoredEventKind::Rotated => Self::Rotated,
            StoredEventKind::Deleted => Self::Deleted,
            StoredEventKind::Expired => Self::Expired,
            StoredEventKind::Revoked => Self::Revoked,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredCredential {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(bool, tag = "2")]
    chosen: bool,
    #[prost(uint64, optional, tag = "3")]
    retires_at: Option<Millis>,
}

impl From<Record> for StoredRecord {
    fn from(record: Record) -> Self {
        Self {
            handle: Bytes::copy_from_slice(&record.handle.to_bytes()),
            namespace: record.namespace,
            version: record.version,
            revision: record.revision,
            created: record.created,
            updated: record.updated,
            accessed: record.accessed,
            idle_timeout: record.idle_timeout,
            ends_at: record.ends_at,
            credentials: record.credentials.into_iter().map(StoredCredential::from).collect(),
            principal: record.principal,
            labels: record.labels,
            sweep_at: record.sweep_at,
            attributes: record.attributes.iter().map(|attribute| attribute.entry().clone()).collect(),
            tickets: record.tickets.into_iter().map(StoredTicket::from).collect(),
        }
    }
}

impl TryFrom<StoredRecord> for Record {
    type Error = EngineError;

    fn try_from(stored: StoredRecord) -> Result<Self, EngineError> {
        let attribute = |entry| Attribute::from_stored(entry).ok_or_else(|| corrupt("an attribute is not decodable"));
        Ok(Self {
            handle: Handle::from_slice(&stored.handle).ok_or_else(|| corrupt("a record has no handle"))?,
            namespace: stored.namespace,
            version: stored.version,
            revision: stored.revision,
            created: stored.created,
            updated: stored.updated,
            accessed: stored.accessed,
            idle_timeout: stored.idle_timeout,
            ends_at: stored.ends_at,
            credentials: stored.credentials.into_iter().map(Credential::try_from).collect::<Result<_, _>>()?,
            principal: stored.principal,
            labels: stored.labels,
            attributes: stored.attributes.into_iter().map(attribute).collect::<Result<_, _>>()?,
            sweep_at: stored.sweep_at,
            tickets: stored.tickets.into_iter().map(Ticket::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<Credential> for StoredCredential {
    fn from(credential: Credential) -> Self {
        Self {
            hash: Bytes::copy_from_slice(credential.hash.as_bytes()),
            chosen: credential.chosen,
            retires_at: credential.retires_at,
        }
    }
}

impl From<Ticket> for StoredTicket {
    fn from(ticket: Ticket) -> Self {
        Self {
            hash: Bytes::copy_from_slice(ticket.hash.as_bytes()),
            audience: ticket.audience,
            expires_at: ticket.expires_at,
        }
    }
}

impl TryFrom<StoredTicket> for Ticket {
    type Error = EngineError;

    fn try_from(stored: StoredTicket) -> Result<Self, EngineError> {
        Ok(Self {
            hash: SecretHash::from_slice(&stored.hash).ok_or_else(|| corrupt("a ticket has no hash"))?,
            audience: stored.audience,
            expires_at: stored.expires_at,
        })
    }
}

impl TryFrom<StoredCredential> for Credential {
    type Error = EngineError;

    fn try_from(stored: StoredCredential) -> Result<Self, EngineError> {
        Ok(Self {
            hash: SecretHash::from_slice(&stored.hash).ok_or_else(|| corrupt("a credential has no hash"))?,
            chosen: stored.chosen,
            retires_at: stored.retires_at,
        })
    }
}
