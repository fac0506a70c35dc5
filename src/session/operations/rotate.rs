//! Giving a session a new ID: the answer to session fixation.

use super::change::SessionChange;
use crate::clock::Millis;
use crate::model::{Credential, EventKind, Record, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::LookupKey;
use crate::session::sealing::{self, Shown};
use smallvec::SmallVec;
use std::sync::Arc;

/// At most so many IDs of one session can only read. A further one replaces the oldest.
const MAX_RETIRED: usize = 8;

/// A rotation of one session's ID.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Where the session lives.
    pub namespace: String,
    /// Its present ID.
    pub id: SessionId,
    /// Its next ID, if the caller chooses it.
    pub new_id: Option<SessionId>,
    /// How long the present ID can still read afterwards.
    pub grace: Millis,
    /// What to change in the same step.
    pub change: SessionChange,
    /// Only if the session has this version.
    pub expected_version: Option<u64>,
}

impl Sessions {
    /// Gives a session a new ID and keeps everything else. Returns the ID and the session.
    pub async fn rotate(&self, rotation: Rotation) -> Result<(SessionId, Arc<Record>), Error> {
        let key = LookupKey::new(&rotation.namespace, &rotation.id);
        let Rotation { namespace, id, new_id, grace, change, expected_version } = rotation;
        let rotated = self
            .transact(|draft| {
                let live = self.touches.find(draft.view(), &key, Access::Touch)?.ok_or(Error::NotFound)?.writable()?;
                live.check_version(expected_version)?;
                let mut record = live.to_record();
                let shown = Shown::id(key.hash, &id);
                let data_key = sealing::data_key(&record, shown)?;
                let (next_id, next) = self.further_id(draft, &namespace, record.handle, new_id.as_ref())?;
                let grace = grace.min(self.policies.of(&namespace).max_rotation_grace);
                let retires_at = live.now.saturating_add(grace);
                for credential in record.credentials.iter_mut().filter(|credential| credential.hash == key.hash) {
                    credential.retires_at = Some(retires_at);
                }
                record.credentials.retain(|credential| credential.opens_at(live.now));
                drop_oldest_retired(&mut record.credentials);
                let next_hash = next.hash;
                record.credentials.push(next);
                if !change.is_empty() {
                    sealing::open(&mut record, data_key.as_ref())?;
                    self.change(draft, &change, &live.record, &mut record, live.now)?;
                }
                self.settle(&mut record, data_key, &[shown, Shown::id(next_hash, &next_id)], live.now)?;
                let cause = self.policies.cause(EventKind::Rotated, &namespace, live.now);
                Ok((next_id, draft.put(record, Some(&live.record), Some(cause))?))
            })
            .await;
        let (id, record) = self.counters.note_lookup(rotated)?;
        tracing::debug!(handle = %record.handle, "rotated");
        Ok((id, record))
    }
}

/// Keeps few IDs that can only read, so that a caller that rotates in a loop does not make the record grow.
fn drop_oldest_retired(credentials: &mut SmallVec<[Credential; 1]>) {
    let retired = credentials.iter().filter(|credential| credential.retires_at.is_some()).count();
    let mut excess = retired.saturating_sub(MAX_RETIRED);
    credentials.retain(|credential| {
        let drops = excess > 0 && credential.retires_at.is_some();
        excess -= usize::from(drops);
        !drops
    });
}
