//! Ending a session.

use crate::model::{EventKind, Handle, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::LookupKey;

/// Which session to end.
#[derive(Clone, Debug)]
pub enum DeleteTarget {
    /// The one of this ID. An ID that can only read ends it too: whoever logs out must be logged out.
    Id(SessionId),
    /// The one with this handle.
    Handle(Handle),
}

impl Sessions {
    /// Ends a session and returns its handle. After this has returned, no slower request brings it back.
    pub async fn delete(&self, namespace: String, target: DeleteTarget) -> Result<Handle, Error> {
        let deleted = self
            .transact(|draft| {
                let live = match &target {
                    DeleteTarget::Handle(handle) => self.touches.find_by_handle(draft.view(), &namespace, *handle)?,
                    DeleteTarget::Id(id) => {
                        self.touches.find(draft.view(), &LookupKey::new(&namespace, id), Access::Peek)?
                    }
                };
                let live = live.ok_or(Error::NotFound)?;
                draft.remove(&live.to_record(), self.policies.cause(EventKind::Deleted, &namespace, live.now))?;
                Ok(live.record.handle)
            })
            .await;
        let handle = match target {
            DeleteTarget::Id(_) => self.counters.note_lookup(deleted)?,
            DeleteTarget::Handle(_) => deleted?,
        };
        tracing::debug!(%handle, "deleted");
        Ok(handle)
    }
}
