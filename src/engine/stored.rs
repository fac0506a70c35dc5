//! Records and events as protobuf messages at rest. Fields may be added; their numbers are never reused.

use super::EngineError;
use super::codec::corrupt;
use crate::clock::Millis;
use crate::model::{Attribute, Credential, Event, Handle, Record, SecretHash, Ticket, WrappedKey};
use crate::wire::{Numbers, put_bytes, put_head, put_number, put_optional_number, put_text, put_texts, put_varint};
use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, bool, encode_key, message, uint64};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    #[prost(bytes = "bytes", optional, tag = "16")]
    sealed: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredTicket {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(string, tag = "2")]
    audience: String,
    #[prost(uint64, tag = "3")]
    expires_at: Millis,
    /// Empty if it has none, as below.
    #[prost(bytes = "bytes", tag = "4")]
    wrapped: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredEvent {
    #[prost(uint64, tag = "1")]
    pub(super) transaction: u64,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    #[prost(uint64, tag = "3")]
    pub(super) time: Millis,
    #[prost(message, optional, tag = "4")]
    pub(super) record: Option<StoredRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredCredential {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(bool, tag = "2")]
    chosen: bool,
    #[prost(uint64, optional, tag = "3")]
    retires_at: Option<Millis>,
    #[prost(bytes = "bytes", tag = "4")]
    wrapped: Bytes,
}

/// Writes a record in the encoding of [`StoredRecord`], without making one. Every change writes a record or two, so
/// this is a hot path.
pub(super) fn put_record(record: &Record, row: &mut Vec<u8>) {
    put_bytes(1, &record.handle.to_bytes(), row);
    put_text(2, &record.namespace, row);
    let mut numbers = Numbers::new();
    numbers.put(3, record.version);
    numbers.put(4, record.revision);
    numbers.put(5, record.created);
    numbers.put(6, record.updated);
    numbers.put(7, record.accessed);
    numbers.put(8, record.idle_timeout);
    if let Some(end) = record.ends_at {
        numbers.put_optional(9, end);
    }
    row.extend_from_slice(numbers.encoded());
    for credential in &record.credentials {
        put_credential(10, credential, row);
    }
    put_text(11, &record.principal, row);
    put_texts(12, &record.labels, row);
    put_number(13, record.sweep_at, row);
    for entry in record.attributes.entries() {
        put_bytes(14, entry, row);
    }
    for ticket in &record.tickets {
        message::encode(15, &StoredTicket::from(ticket), row);
    }
    if let Some(sealed) = &record.sealed {
        encode_key(16, WireType::LengthDelimited, row);
        put_varint(sealed.len() as u64, row);
        row.extend_from_slice(sealed);
    }
}

/// Writes the fields of an event up to its record, in the encoding of [`StoredEvent`]. `record_bytes` is the length of
/// the encoded record that follows.
pub(super) fn put_event_head(event: &Event, record_bytes: usize, row: &mut Vec<u8>) {
    let mut numbers = Numbers::new();
    numbers.put(1, event.transaction);
    numbers.put(2, u64::from(event.kind as u8));
    numbers.put(3, event.time);
    row.extend_from_slice(numbers.encoded());
    put_head(4, record_bytes, row);
}

fn put_credential(field: u8, credential: &Credential, row: &mut Vec<u8>) {
    const HASH_FIELD_BYTES: usize = 34;
    let chosen = if credential.chosen { bool::encoded_len(2, &true) } else { 0 };
    let retires = credential.retires_at.map_or(0, |end| uint64::encoded_len(3, &end));
    // Its key and its length take one byte each.
    let wrapped = credential.wrapped.as_ref().map_or(0, |wrapped| wrapped.len() + 2);
    put_head(field, HASH_FIELD_BYTES + chosen + retires + wrapped, row);
    put_bytes(1, credential.hash.as_bytes(), row);
    put_number(2, credential.chosen.into(), row);
    if let Some(end) = credential.retires_at {
        put_optional_number(3, end, row);
    }
    if let Some(wrapped) = &credential.wrapped {
        put_bytes(4, &wrapped[..], row);
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
            sealed: stored.sealed.map(|sealed| sealed[..].into()),
        })
    }
}

impl From<&Ticket> for StoredTicket {
    fn from(ticket: &Ticket) -> Self {
        Self {
            hash: Bytes::copy_from_slice(ticket.hash.as_bytes()),
            audience: ticket.audience.clone(),
            expires_at: ticket.expires_at,
            wrapped: ticket.wrapped.as_ref().map_or_else(Bytes::new, |wrapped| Bytes::copy_from_slice(&wrapped[..])),
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
            wrapped: wrapped(&stored.wrapped)?,
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
            wrapped: wrapped(&stored.wrapped)?,
        })
    }
}

fn wrapped(stored: &[u8]) -> Result<Option<WrappedKey>, EngineError> {
    if stored.is_empty() {
        return Ok(None);
    }
    let wrapped = stored.try_into().map_err(|_| corrupt("a wrapped key is of a wrong length"))?;
    Ok(Some(Arc::new(wrapped)))
}
