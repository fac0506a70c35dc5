//! Making a session.

use super::change::SessionChange;
use super::error::Error;
use super::lookup::{Key, record_of};
use super::policy::Policy;
use super::touches::Access;
use super::{Sessions, Touches};
use crate::clock::Millis;
use crate::engine::Draft;
use crate::model::{Attributes, Credential, Handle, Record, SessionId};
use std::collections::BTreeMap;

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Where it will live.
    pub namespace: String,
    /// The ID, if the caller chooses it.
    pub id: Option<SessionId>,
    /// Its first data; timeouts that it leaves out follow the policy.
    pub data: SessionChange,
}

impl Sessions {
    /// Makes a session and returns its ID and its record. A taken ID is never overwritten.
    pub async fn create(&self, new: NewSession) -> Result<(SessionId, Record), Error> {
        let handle = Handle::mint(self.clock.now());
        let chosen = new.id.is_some();
        let id = new.id.unwrap_or_else(|| SessionId::mint(handle));
        let key = Key::new(&new.namespace, &id);
        let (data, this) = (new.data, self.clone());
        let record = self
            .transact(move |draft| {
                if chosen {
                    claim_id(draft, &key, &this.touches)?;
                }
                let credential = Credential::new(key.hash, chosen);
                let now = this.clock.now();
                let record = new_record(handle, &key.namespace, credential, &data, now, &this.policy)?;
                draft.put(record.clone(), None)?;
                Ok(record)
            })
            .await?;
        tracing::debug!(handle = %record.handle, namespace = record.namespace, "created");
        Ok((id, record))
    }
}

/// Makes sure that a chosen ID is free, removing the expired session that may still stand under it.
pub(super) fn claim_id(draft: &mut Draft<'_>, key: &Key, touches: &Touches) -> Result<(), Error> {
    let view = draft.view();
    if touches.find(view, key, Access::Peek)?.is_some() {
        return Err(Error::IdTaken);
    }
    if let Some(mut ended) = record_of(view, key, touches.now())?
        && touches.judge(&mut ended, Access::Peek, view)?.is_none()
    {
        draft.remove(&ended)?;
    }
    Ok(())
}

/// The first record of a session.
pub(super) fn new_record(
    handle: Handle,
    namespace: &str,
    credential: Credential,
    data: &SessionChange,
    now: Millis,
    policy: &Policy,
) -> Result<Record, Error> {
    let mut record = Record {
        handle,
        namespace: namespace.into(),
        version: 1,
        revision: 0,
        created: now,
        updated: now,
        accessed: now,
        idle_timeout: policy.idle_timeout,
        ends_at: None,
        credentials: vec![credential],
        principal: String::new(),
        labels: BTreeMap::new(),
        attributes: Attributes::default(),
        sweep_at: 0,
    };
    let timeouts = Some(data.timeouts.unwrap_or_default());
    SessionChange {
        timeouts,
        ..data.clone()
    }
    .apply(&mut record, now, policy)?;
    Ok(record)
}
