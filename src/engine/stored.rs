//! Records and events as protobuf messages at rest. Fields may be added; their numbers are never reused.

use super::EngineError;
use super::codec::corrupt;
use crate::clock::Millis;
use crate::model::{Attribute, Credential, Event, EventKind, Handle, Record, SecretHash, Ticket};
use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{WireType, bool, btree_map, encode_key, encode_varint, int32, message, string, uint64};
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

/// Writes a record as a [`StoredRecord`] is encoded, without making one: every change writes a record or two.
pub(super) fn put_record(record: &Record, row: &mut Vec<u8>) {
    put_bytes(1, &record.handle.to_bytes(), row);
    put_text(2, &record.namespace, row);
    put_number(3, record.version, row);
    put_number(4, record.revision, row);
    put_number(5, record.created, row);
    put_number(6, record.updated, row);
    put_number(7, record.accessed, row);
    put_number(8, record.idle_timeout, row);
    if let Some(end) = record.ends_at {
        uint64::encode(9, &end, row);
    }
    for credential in &record.credentials {
        put_credential(10, credential, row);
    }
    put_text(11, &record.principal, row);
    btree_map::encode(
        string::encode,
        string::encoded_len,
        string::encode,
        string::encoded_len,
        12,
        &record.labels,
        row,
    );
    put_number(13, record.sweep_at, row);
    for entry in record.attributes.entries() {
        put_bytes(14, entry, row);
    }
    for ticket in &record.tickets {
        message::encode(15, &StoredTicket::from(ticket), row);
    }
}

/// The same for an event.
pub(super) fn put_event(event: &Event, row: &mut Vec<u8>) {
    put_number(1, event.transaction, row);
    let kind = StoredEventKind::from(event.kind);
    if kind != StoredEventKind::default() {
        int32::encode(2, &kind.into(), row);
    }
    put_number(3, event.time, row);
    let mut record = Vec::with_capacity(record_size(&event.record));
    put_record(&event.record, &mut record);
    put_bytes(4, &record, row);
}

/// What a record takes as a row, or a little less.
pub(super) fn record_size(record: &Record) -> usize {
    const USUAL_BYTES: usize = 144;
    USUAL_BYTES + record.attributes.fields().len() + record.namespace.len() + record.principal.len()
}

fn put_credential(field: u32, credential: &Credential, row: &mut Vec<u8>) {
    const HASH_FIELD_BYTES: usize = 34;
    let chosen = if credential.chosen { bool::encoded_len(2, &true) } else { 0 };
    let retires = credential.retires_at.map_or(0, |end| uint64::encoded_len(3, &end));
    encode_key(field, WireType::LengthDelimited, row);
    encode_varint((HASH_FIELD_BYTES + chosen + retires) as u64, row);
    put_bytes(1, credential.hash.as_bytes(), row);
    if credential.chosen {
        bool::encode(2, &true, row);
    }
    if let Some(end) = credential.retires_at {
        uint64::encode(3, &end, row);
    }
}

fn put_bytes(field: u32, bytes: &[u8], row: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, row);
    encode_varint(bytes.len() as u64, row);
    row.put_slice(bytes);
}

/// None that is empty, as any encoder.
fn put_text(field: u32, text: &str, row: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(field, text.as_bytes(), row);
    }
}

/// None that is 0, as any encoder.
fn put_number(field: u32, number: u64, row: &mut Vec<u8>) {
    if number != 0 {
        uint64::encode(field, &number, row);
    }
}

impl TryFrom<StoredRecord> for Record {
    type Error = EngineError;

    fn try_from(stored: StoredRecord) -> Result<Self, EngineError> {
        let attribute = |entry| Attribute::from_stored(entry).ok_or_else(|| corrupt("an attribute is not decodable"));
        Ok(Self {
            handle: Handle::from_slice(&stored.handle).ok_or_else(|| corrupt("a record has no handle"))?,
            namespace: stored.namespace.into(),
            version: stored.version,
            revision: stored.revision,
            created: stored.created,
            updated: stored.updated,
            accessed: stored.accessed,
            idle_timeout: stored.idle_timeout,
            ends_at: stored.ends_at,
            credentials: stored.credentials.into_iter().map(Credential::try_from).collect::<Result<_, _>>()?,
            principal: stored.principal.into(),
            labels: stored.labels,
            attributes: stored.attributes.into_iter().map(attribute).collect::<Result<_, _>>()?,
            sweep_at: stored.sweep_at,
            tickets: stored.tickets.into_iter().map(Ticket::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Ticket> for StoredTicket {
    fn from(ticket: &Ticket) -> Self {
        Self {
            hash: Bytes::copy_from_slice(ticket.hash.as_bytes()),
            audience: ticket.audience.clone(),
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
