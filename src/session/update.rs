//! Changing a session's data.

use super::Sessions;
use super::change::SessionChange;
use super::create::{Past, claim_id};
use super::error::Error;
use super::lookup::Key;
use super::touches::Access;
use crate::clock::Millis;
use crate::engine::Draft;
use crate::model::{Credential, EventKind, Handle, Record, SessionId};

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
    /// Make the session if it is not there.
    pub upsert: bool,
    /// Only while this lock holds.
    pub lock_token: Option<String>,
    /// Release that lock when the change is done.
    pub unlock: bool,
}

/// What an update led to.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The session afterwards.
    pub record: Record,
    /// Whether upsert made it.
    pub created: bool,
}

impl Sessions {
    /// Changes a session in one atomic step and slides its idle timeout. Never creates or revives one, unless upsert
    /// is said.
    pub async fn update(&self, update: Update) -> Result<Updated, Error> {
        let key = Key::new(&update.namespace, &update.id);
        let this = self.clone();
        let released = update.lock_token.clone().filter(|_| update.unlock);
        let updated = self
            .transact(move |draft| {
                let Some(live) = this.touches.find(draft.view(), &key, Access::Touch)? else {
                    if !update.upsert {
                        return Err(Error::NotFound);
                    }
                    // Whoever locked a session that is gone must not bring it back.
                    if update.lock_token.is_some() {
                        return Err(Error::LockLost);
                    }
                    claim_id(draft, &key, &this)?;
                    let credential = Credential::new(key.hash, true);
                    let handle = Handle::mint(this.clock.now());
                    let record = this
                        .make(draft, handle, &update.namespace, credential, &update.change, Past::default())
                        .map_err(|error| error.within("change"))?;
                    return Ok(Updated { record, created: true });
                };
                let live = live.writable()?;
                live.check_version(update.expected_version)?;
                if update.lock_token.as_ref().is_some_and(|token| !this.locks.holds(live.record.handle, token)) {
                    return Err(Error::LockLost);
                }
                let previous = live.record;
                let mut record = previous.clone();
                if !update.change.is_empty() {
                    this.change(draft, &update.change, &previous, &mut record, live.now)?;
                    record.credentials.retain(|credential| credential.opens_at(live.now));
                    let cause = this.policies.cause(EventKind::Updated, &update.namespace, live.now);
                    draft.put(record.clone(), Some(&previous), Some(cause))?;
                }
                Ok(Updated { record, created: false })
            })
            .await?;
        if updated.created {
            self.tally.count_created();
        }
        if let Some(token) = released {
            self.locks.release(updated.record.handle, &token);
        }
        tracing::debug!(handle = %updated.record.handle, version = updated.record.version, "updated");
        Ok(updated)
    }

    /// Applies a change that is not empty to the next state of a session.
    pub(super) fn change(
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
            // Who asked for a ticket before a log in must not come into the session after it.
            record.tickets.clear();
            self.make_room(draft, &record.namespace, &record.principal, record.handle, now)?;
        }
        record.version += 1;
        record.updated = now;
        Ok(())
    }
}
