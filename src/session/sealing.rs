//! Sealed sessions: attributes that only who has one of the session's IDs, or a ticket, can read.
//!
//! It is done here, above the engines, so that the engine in memory, the redo log, sled, events and backups only ever have
//! sealed attributes. A call opens them with the ID that it came with, and what it writes is sealed before the engine gets
//! it. The server keeps neither the ID nor the key.
//!
//! Each ID and each ticket of a sealed session has a wrapped key. A session is sealed when it is written while its namespace
//! has the policy, and every secret that opens it is sealed already or known in that call: an ID that nobody shows at that
//! moment would open the session without its attributes. It is opened again when it is written without the policy.

use super::Sessions;
use super::error::Error;
use super::liveness::lookup::Seen;
use crate::clock::Millis;
use crate::encryption::{DataKey, Place};
use crate::engine::EngineError;
use crate::model::{Attributes, IdHash, Record, Secret, SecretHash, SessionId, WrappedKey};
use std::sync::Arc;

/// A secret that opens a session, as the caller has shown it or is going to get it.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    hash: SecretHash,
    secret: &'a [u8],
}

impl<'a> Shown<'a> {
    pub(super) fn id(hash: IdHash, id: &'a SessionId) -> Self {
        Self { hash, secret: id.as_bytes() }
    }

    pub(super) fn ticket(hash: SecretHash, ticket: &'a Secret) -> Self {
        Self { hash, secret: ticket.as_bytes() }
    }
}

impl Seen {
    /// The session with its attributes, for the caller that has found it by this ID.
    pub fn opened(self, id: &SessionId) -> Result<Self, Error> {
        if self.record.sealed.is_none() {
            return Ok(self);
        }
        let hash = IdHash::of(&self.record.namespace, id);
        let key = data_key(&self.record, Shown::id(hash, id))?;
        Ok(Self { record: Arc::new(for_answer(&self.record, key.as_ref())?), life: self.life })
    }
}

/// The data key of a session, by a secret that opens it; `None` if it is not sealed.
pub(super) fn data_key(record: &Record, shown: Shown<'_>) -> Result<Option<DataKey>, EngineError> {
    if record.sealed.is_none() {
        return Ok(None);
    }
    let ids = record.credentials.iter().map(|credential| (&credential.hash, &credential.wrapped));
    let tickets = record.tickets.iter().map(|ticket| (&ticket.hash, &ticket.wrapped));
    let wrapped = ids.chain(tickets).find(|(hash, _)| **hash == shown.hash).and_then(|(_, wrapped)| wrapped.as_ref());
    let wrapped = wrapped.ok_or_else(|| damaged("the key for this ID is missing"))?;
    let key = DataKey::unwrap(&place(record), shown.secret, wrapped);
    key.map(Some).ok_or_else(|| damaged("the key for this ID does not open"))
}

/// Opens the attributes of a record that is to be changed.
pub(super) fn open(record: &mut Record, key: Option<&DataKey>) -> Result<(), EngineError> {
    let Some(sealed) = record.sealed.take() else { return Ok(()) };
    record.attributes = key
        .and_then(|key| key.open(&place(record), &sealed))
        .and_then(|fields| Attributes::from_fields(&fields))
        .ok_or_else(|| damaged("the attributes do not open"))?;
    Ok(())
}

/// A copy of a record with its attributes, which still tells that the session is sealed.
pub(super) fn for_answer(record: &Record, key: Option<&DataKey>) -> Result<Record, EngineError> {
    let mut copy = record.clone();
    open(&mut copy, key)?;
    copy.sealed = record.sealed.as_ref().map(|_| Arc::default());
    Ok(copy)
}

impl Sessions {
    /// Makes a record that is about to be stored sealed or plain, as the policy says. `key` is the data key if the session was
    /// sealed; `shown` are the secrets that are known in this call.
    pub(super) fn settle(
        &self,
        record: &mut Record,
        key: Option<DataKey>,
        shown: &[Shown<'_>],
        now: Millis,
    ) -> Result<(), EngineError> {
        if !self.policies.of(&record.namespace).sealed {
            open(record, key.as_ref())?;
            wraps(record).for_each(|(_, wrapped)| *wrapped = None);
            return Ok(());
        }
        record.tickets.retain(|ticket| now < ticket.expires_at);
        let is_known = |hash: SecretHash| shown.iter().any(|shown| shown.hash == hash);
        if key.is_none() && !wraps(record).all(|(hash, _)| is_known(hash)) {
            return Ok(());
        }
        let (key, place) = (key.unwrap_or_else(DataKey::random), place(record));
        for (hash, wrapped) in wraps(record).filter(|(_, wrapped)| wrapped.is_none()) {
            let shown = shown.iter().find(|shown| shown.hash == hash);
            let shown = shown.ok_or_else(|| damaged("the key for another ID is missing"))?;
            *wrapped = Some(Arc::new(key.wrap(&place, shown.secret)));
        }
        if record.sealed.is_none() {
            record.sealed = Some(key.seal(&place, record.attributes.fields()).into());
            record.attributes.clear();
        }
        Ok(())
    }
}

/// The hash and the wrapped key of every ID and every ticket.
fn wraps(record: &mut Record) -> impl Iterator<Item = (SecretHash, &mut Option<WrappedKey>)> {
    let ids = record.credentials.iter_mut().map(|credential| (credential.hash, &mut credential.wrapped));
    ids.chain(record.tickets.iter_mut().map(|ticket| (ticket.hash, &mut ticket.wrapped)))
}

fn place(record: &Record) -> Place {
    Place::sealed(&record.handle.to_bytes(), &record.namespace)
}

fn damaged(what: &str) -> EngineError {
    EngineError::Corrupt(format!("a sealed session: {what}"))
}
