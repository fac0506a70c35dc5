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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::engine::{Engine, MemoryEngine, Outcome};
    use crate::model::{Attribute, Handle};
    use crate::session::{
        Access, DeleteTarget, NewSession, Past, Policies, Policy, Redemption, Rotation, SessionChange, Update,
    };

    const NAMESPACE: &str = "shop";

    /// Sessions of a sealed namespace, and the engine below them.
    fn sealed_sessions() -> (Sessions, Arc<MemoryEngine>) {
        let engine = Arc::new(MemoryEngine::default());
        let policies = Policies { default: Policy { sealed: true, ..Policy::default() }, ..Policies::default() };
        (Sessions::new(Arc::clone(&engine) as Arc<dyn Engine>, Clock::system(), policies), engine)
    }

    fn setting(name: &str) -> SessionChange {
        let entry = [&[0x0a, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[0x12, 2, 0x10, 1]].concat();
        SessionChange { set_attributes: vec![Attribute::from_wire(&entry).unwrap()], ..SessionChange::default() }
    }

    fn update(id: &SessionId, change: SessionChange) -> Update {
        Update {
            namespace: NAMESPACE.into(),
            id: id.clone(),
            change,
            expected_version: None,
            upsert: false,
            lock_token: None,
            unlock: false,
        }
    }

    async fn create(sessions: &Sessions) -> (SessionId, Arc<Record>) {
        let new = NewSession { namespace: NAMESPACE.into(), id: None, data: setting("first"), past: Past::default() };
        sessions.create(new).await.unwrap()
    }

    async fn stored(engine: &MemoryEngine, handle: Handle) -> Arc<Record> {
        let mut found = None;
        let read = |view: &dyn crate::engine::View| {
            found = view.record(handle)?;
            Ok(())
        };
        engine.read(&mut { read }).await.unwrap();
        found.unwrap()
    }

    async fn replace(engine: &MemoryEngine, record: &Record) {
        let mut put = |draft: &mut crate::engine::Draft<'_>| {
            let previous = draft.view().record(record.handle)?;
            draft.put(record.clone(), previous.as_deref(), None)?;
            Ok(Outcome::Commit)
        };
        engine.commit(&mut put).await.unwrap();
    }

    fn is_corrupt<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
        matches!(result, Err(Error::Engine(EngineError::Corrupt(_))))
    }

    #[tokio::test]
    async fn every_secret_has_a_wrapped_key_and_the_engine_never_has_attributes() {
        let (sessions, engine) = sealed_sessions();
        let (mut id, record) = create(&sessions).await;
        let handle = record.handle;
        for round in 0..4 {
            sessions.update(update(&id, setting(&format!("n{round}")))).await.unwrap();
            let (_, ticket, _) = sessions.issue_handoff(NAMESPACE, &id, "other".into(), 60_000).await.unwrap();
            let redemption = Redemption {
                namespace: NAMESPACE.into(),
                ticket: ticket.reveal(),
                audience: "other".into(),
                new_id: None,
            };
            let (further, redeemed) = sessions.redeem_handoff(redemption).await.unwrap();
            assert_eq!(redeemed.attributes.len(), round + 2);
            let rotation = Rotation {
                namespace: NAMESPACE.into(),
                id: id.clone(),
                new_id: None,
                grace: 60_000,
                change: SessionChange::default(),
                expected_version: None,
            };
            let old = std::mem::replace(&mut id, sessions.rotate(rotation).await.unwrap().0);
            for id in [&id, &old, &further] {
                let seen = sessions.get(NAMESPACE, id, Access::Peek).await.unwrap().opened(id).unwrap();
                assert_eq!((seen.record.attributes.len(), seen.record.attributes.is_empty()), (round + 2, false));
            }
            sessions.issue_handoff(NAMESPACE, &id, "nobody".into(), 60_000).await.unwrap();
            let mut record = Record::clone(&*stored(&engine, handle).await);
            assert!(record.attributes.is_empty() && record.sealed.as_ref().is_some_and(|sealed| sealed.len() > 40));
            assert!(wraps(&mut record).all(|(_, wrapped)| wrapped.is_some()));
        }
        // Touching and ending it needs no key.
        let events = sessions.events(0, u64::MAX, 100).await.unwrap();
        let is_bare = |record: &Record| record.attributes.is_empty() && record.sealed.as_deref() == Some(&[]);
        assert!(events.iter().all(|event| is_bare(&event.record)));
    }

    #[tokio::test]
    async fn what_is_damaged_is_told_and_never_stored_as_something_else() {
        let (sessions, engine) = sealed_sessions();
        let (id, record) = create(&sessions).await;
        let (_, other) = create(&sessions).await;
        let sealed = record.sealed.clone().unwrap();
        let mut cases: Vec<Record> = Vec::new();
        let with = |sealed: &[u8]| Record { sealed: Some(sealed.into()), ..Record::clone(&record) };
        for at in (0..sealed.len() * 8).step_by(5) {
            let mut damaged = sealed.to_vec();
            damaged[at / 8] ^= 1 << (at % 8);
            cases.push(with(&damaged));
        }
        cases.extend((0..sealed.len()).map(|length| with(&sealed[..length])));
        cases.push(with(&[&sealed[..], &[0]].concat()));
        cases.push(Record { sealed: other.sealed.clone(), ..Record::clone(&record) });
        let mut with_key = |wrapped: Option<WrappedKey>| {
            let mut damaged = Record::clone(&record);
            damaged.credentials[0].wrapped = wrapped;
            cases.push(damaged);
        };
        let whole = record.credentials[0].wrapped.clone().unwrap();
        for at in 0..whole.len() * 8 {
            let mut wrapped = *whole;
            wrapped[at / 8] ^= 1 << (at % 8);
            with_key(Some(Arc::new(wrapped)));
        }
        with_key(other.credentials[0].wrapped.clone());
        with_key(None);
        for damaged in cases {
            replace(&engine, &damaged).await;
            let before = stored(&engine, record.handle).await;
            let seen = sessions.get(NAMESPACE, &id, Access::Touch).await.unwrap();
            assert!(is_corrupt(&seen.opened(&id)));
            let mut many =
                sessions.get_many(NAMESPACE, std::slice::from_ref(&id), Access::Peek, 1 << 20).await.unwrap();
            assert!(is_corrupt(&many.remove(0)));
            assert!(is_corrupt(&sessions.update(update(&id, setting("n"))).await));
            assert_eq!(stored(&engine, record.handle).await, before);
        }
        sessions.issue_csrf_token(NAMESPACE, &id).await.unwrap();
        assert_eq!(sessions.delete(NAMESPACE.into(), DeleteTarget::Id(id)).await.unwrap(), record.handle);
    }

    #[tokio::test]
    async fn a_record_in_another_place_does_not_open() {
        let (sessions, _) = sealed_sessions();
        let (id, record) = create(&sessions).await;
        let hash = IdHash::of(NAMESPACE, &id);
        for moved in [
            Record { handle: Handle::mint(1), ..Record::clone(&record) },
            Record { namespace: "blog".into(), ..Record::clone(&record) },
        ] {
            data_key(&moved, Shown::id(hash, &id)).unwrap_err();
        }
        let key = data_key(&record, Shown::id(hash, &id)).unwrap();
        assert_eq!(for_answer(&record, key.as_ref()).unwrap().attributes.len(), 1);
    }
}
