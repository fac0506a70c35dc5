//! Creating a session.

use super::change::SessionChange;
use crate::clock::Millis;
use crate::engine::Draft;
use crate::model::{Attributes, Credential, EventKind, Handle, IdHash, Record, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, with_life};
use crate::session::policy::MAX_TIMEOUT;
use crate::session::sealing::Shown;
use smallvec::smallvec;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A session to be created.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Where it will live.
    pub namespace: String,
    /// The ID, if the caller chooses it.
    pub id: Option<SessionId>,
    /// Its first data; timeouts that it leaves out follow the policy.
    pub data: SessionChange,
    /// Its life before it came here.
    pub past: Past,
}

/// The life of a session before it is stored. Frameworks create a session when a visitor's request begins and store it when
/// the request ends; sites move live sessions here from another store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past {
    /// When it was created; now if it is left out or lies in the future.
    pub created: Option<Millis>,
    /// The last access, from then to now; now if it is left out.
    pub accessed: Option<Millis>,
}

impl Sessions {
    /// Creates a session and returns its ID and its record. A taken ID is never overwritten.
    pub async fn create(&self, new: NewSession) -> Result<(SessionId, Arc<Record>), Error> {
        let handle = Handle::mint(self.clock.now());
        let chosen = new.id.is_some();
        let id = new.id.unwrap_or_else(|| SessionId::mint(handle));
        let key = LookupKey::new(&new.namespace, &id);
        let record = self
            .transact(|draft| {
                if chosen {
                    claim_id(draft, &key, self)?;
                }
                let names = NewNames { handle, namespace: &new.namespace, id: &id, hash: key.hash, chosen };
                self.put_new(draft, names, &new.data, new.past)
            })
            .await?;
        self.counters.count_created();
        tracing::debug!(handle = %record.handle, namespace = %record.namespace, "created");
        Ok((id, record))
    }
}

/// How a new session is named.
#[derive(Clone, Copy)]
pub(super) struct NewNames<'a> {
    pub(super) handle: Handle,
    pub(super) namespace: &'a str,
    pub(super) id: &'a SessionId,
    /// Of the ID. It costs thousands of instructions.
    pub(super) hash: IdHash,
    /// Whether the caller chose the ID.
    pub(super) chosen: bool,
}

/// Makes sure that a chosen ID is free. Removes the expired session that may still be stored under it.
pub(super) fn claim_id(draft: &mut Draft<'_>, key: &LookupKey, sessions: &Sessions) -> Result<(), Error> {
    let (view, touches) = (draft.view(), &sessions.touches);
    if touches.find(view, key, Access::Peek)?.is_some() {
        return Err(Error::IdTaken);
    }
    if let Some(ended) = touches.record_of(view, key)?
        && let (life, None) = touches.judge(&ended, Access::Peek, view)?
    {
        draft.remove(
            &with_life(&ended, life),
            sessions.policies.cause(EventKind::Expired, &ended.namespace, touches.now()),
        )?;
    }
    Ok(())
}

impl Sessions {
    /// A further ID of a session: the chosen one if it is free, or else a new one.
    pub(super) fn further_id(
        &self,
        draft: &mut Draft<'_>,
        namespace: &str,
        handle: Handle,
        chosen: Option<&SessionId>,
    ) -> Result<(SessionId, Credential), Error> {
        let id = chosen.cloned().unwrap_or_else(|| SessionId::mint(handle));
        let key = LookupKey::new(namespace, &id);
        if chosen.is_some() {
            claim_id(draft, &key, self)?;
        }
        Ok((id, Credential::new(key.hash, chosen.is_some())))
    }

    /// Puts the first record of a session.
    pub(super) fn put_new(
        &self,
        draft: &mut Draft<'_>,
        names: NewNames<'_>,
        data: &SessionChange,
        past: Past,
    ) -> Result<Arc<Record>, Error> {
        let NewNames { handle, namespace, id, hash, chosen } = names;
        let (policy, now) = (self.policies.of(namespace), self.clock.now());
        let created = past.created.map_or(now, |created| created.min(now));
        if now.saturating_sub(created) > MAX_TIMEOUT {
            return Err(Error::invalid("create_time", "must lie at most 3660 days in the past"));
        }
        let mut record = Record {
            handle,
            namespace: namespace.into(),
            version: 1,
            revision: 0,
            created,
            updated: now,
            accessed: past.accessed.map_or(now, |accessed| accessed.clamp(created, now)),
            idle_timeout: policy.idle_timeout,
            ends_at: None,
            credentials: smallvec![Credential::new(hash, chosen)],
            tickets: Vec::new(),
            principal: SmolStr::default(),
            labels: BTreeMap::new(),
            attributes: Attributes::default(),
            sealed: None,
            sweep_at: 0,
        };
        let timeouts = Some(data.timeouts.unwrap_or_default());
        SessionChange { timeouts, ..data.clone() }.apply(&mut record, now, policy)?;
        policy.bound(&mut record);
        if record.expires_at() <= now {
            let field = if past.accessed.is_some() { "last_access_time" } else { "create_time" };
            return Err(Error::invalid(field, "must not lie so far back that the session would have expired already"));
        }
        if let Some(limit) = policy.max_sessions
            && draft.view().sessions_in(namespace) >= limit as u64
        {
            return Err(Error::NamespaceLimit { limit });
        }
        self.enforce_session_limit(draft, namespace, &record.principal, handle, now)?;
        self.settle(&mut record, None, &[Shown::id(hash, id)], now)?;
        Ok(draft.put(record, None, Some(self.policies.cause(EventKind::Created, namespace, now)))?)
    }
}
