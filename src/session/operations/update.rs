//! Changing a session's data.

use super::change::SessionChange;
use super::create::{NewNames, Past, claim_id};
use crate::clock::Millis;
use crate::engine::Draft;
use crate::model::{EventKind, Handle, Record, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, Seen};
use crate::session::sealing::{self, Shown};

/// A change of one session.
#[derive(Clone, Debug)]
pub struct Update {
    /// Where the session lives.
    pub namespace: String,
    /// Its ID.
    pub id: SessionId,
    /// What to change.
    pub change: SessionChange,
    /// Only if the session has this version.
    pub expected_version: Option<u64>,
    /// Create the session if there is none.
    pub upsert: bool,
    /// Only while this lock holds.
    pub lock_token: Option<String>,
    /// Release that lock when the change is done.
    pub unlock: bool,
}

/// The result of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The session afterwards.
    pub session: Seen,
    /// Whether upsert created it.
    pub created: bool,
}

impl Sessions {
    /// Changes a session in one atomic step and slides its idle timeout. Without upsert, it never creates or revives a
    /// session.
    pub async fn update(&self, update: Update) -> Result<Updated, Error> {
        let key = LookupKey::new(&update.namespace, &update.id);
        let updated = self
            .transact(|draft| {
                let Some(live) = self.touches.find(draft.view(), &key, Access::Touch)? else {
                    if !update.upsert {
                        return Err(Error::NotFound);
                    }
                    // A request that locked a session which is gone must not bring it back.
                    if update.lock_token.is_some() {
                        return Err(Error::LockLost);
                    }
                    claim_id(draft, &key, self)?;
                    let handle = Handle::mint(self.clock.now());
                    let (namespace, id) = (&update.namespace, &update.id);
                    let names = NewNames { handle, namespace, id, hash: key.hash, chosen: true };
                    let record = self
                        .put_new(draft, names, &update.change, Past::default())
                        .map_err(|error| error.within("change"))?;
                    return Ok(Updated { session: record.into(), created: true });
                };
                let live = live.writable()?;
                live.check_version(update.expected_version)?;
                if update.lock_token.as_ref().is_some_and(|token| !self.locks.holds(live.record.handle, token)) {
                    return Err(Error::LockLost);
                }
                if update.change.is_empty() {
                    return Ok(Updated { session: live.into(), created: false });
                }
                let mut record = live.to_record();
                let shown = Shown::id(key.hash, &update.id);
                let data_key = sealing::data_key(&record, shown)?;
                sealing::open(&mut record, data_key.as_ref())?;
                self.change(draft, &update.change, &live.record, &mut record, live.now)?;
                record.credentials.retain(|credential| credential.opens_at(live.now));
                self.settle(&mut record, data_key, &[shown], live.now)?;
                let cause = self.policies.cause(EventKind::Updated, &update.namespace, live.now);
                let record = draft.put(record, Some(&live.record), Some(cause))?;
                Ok(Updated { session: record.into(), created: false })
            })
            .await;
        let updated = self.counters.note_lookup(updated)?;
        if updated.created {
            self.counters.count_created();
        }
        let Updated { session: Seen { record, .. }, .. } = &updated;
        if let Some(token) = update.lock_token.as_ref().filter(|_| update.unlock) {
            self.locks.release(record.handle, token);
        }
        tracing::debug!(handle = %record.handle, version = record.version, "updated");
        Ok(updated)
    }

    /// Applies a change that is not empty to the next state of a session, whose attributes must be open.
    pub(in crate::session) fn change(
        &self,
        draft: &mut Draft<'_>,
        change: &SessionChange,
        previous: &Record,
        record: &mut Record,
        now: Millis,
    ) -> Result<(), Error> {
        let policy = self.policies.of(&record.namespace);
        change.apply(record, now, policy).map_err(|error| error.within("change"))?;
        policy.bound(record);
        if record.principal != previous.principal {
            // Whoever asked for a ticket before a log-in must not get into the session after it.
            record.tickets.clear();
            self.enforce_session_limit(draft, &record.namespace, &record.principal, record.handle, now)?;
        }
        record.version += 1;
        record.updated = now;
        Ok(())
    }
}
