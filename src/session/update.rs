//! Changing a session's data.

use super::Sessions;
use super::change::SessionChange;
use super::create::{claim_id, new_record};
use super::error::Error;
use super::lookup::Key;
use super::touches::Access;
use crate::model::{Credential, Handle, Record, SessionId};

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
        let updated = self
            .transact(move |draft| {
                let Some(live) = this.touches.find(draft.view(), &key, Access::Touch)? else {
                    if !update.upsert {
                        return Err(Error::NotFound);
                    }
                    claim_id(draft, &key, &this.touches)?;
                    let now = this.clock.now();
                    let credential = Credential::new(key.hash, true);
                    let handle = Handle::mint(now);
                    let record = new_record(handle, &key.namespace, credential, &update.change, now, &this.policy)
                        .map_err(|error| error.within("change"))?;
                    draft.put(record.clone(), None)?;
                    return Ok(Updated { record, created: true });
                };
                let live = live.writable()?;
                live.check_version(update.expected_version)?;
                let previous = live.record;
                let mut record = previous.clone();
                if !update.change.is_empty() {
                    update
                        .change
                        .apply(&mut record, live.now, &this.policy)
                        .map_err(|error| error.within("change"))?;
                    record.version += 1;
                    record.updated = live.now;
                    record.credentials.retain(|credential| credential.opens_at(live.now));
                    draft.put(record.clone(), Some(&previous))?;
                }
                Ok(Updated { record, created: false })
            })
            .await?;
        tracing::debug!(handle = %updated.record.handle, version = updated.record.version, "updated");
        Ok(updated)
    }
}
