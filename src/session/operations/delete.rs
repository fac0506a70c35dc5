//! Ending a session.

use crate::model::{EventKind, Handle, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::Key;

/// How the session to end is named.
#[derive(Clone, Debug)]
pub enum Target {
    /// By its ID; one that can only read ends it too, since whoever logs out must be logged out.
    Id(SessionId),
    /// By its handle.
    Handle(Handle),
}

impl Sessions {
    /// Ends a session. After this returned, no slower request brings it back.
    pub async fn delete(&self, namespace: String, target: Target) -> Result<(), Error> {
        let handle = self
            .transact(|draft| {
                let live = match &target {
                    Target::Handle(handle) => self.touches.find_by_handle(draft.view(), &namespace, *handle)?,
                    Target::Id(id) => self.touches.find(draft.view(), &Key::new(&namespace, id), Access::Peek)?,
                };
                let live = live.ok_or(Error::NotFound)?;
                draft.remove(&live.to_record(), self.policies.cause(EventKind::Deleted, &namespace, live.now))?;
                Ok(live.record.handle)
            })
            .await?;
        tracing::debug!(%handle, "deleted");
        Ok(())
    }
}
