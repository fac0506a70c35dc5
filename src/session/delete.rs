//! Ending a session.

use super::Sessions;
use super::error::Error;
use super::lookup::Key;
use super::touches::Access;
use crate::model::{Handle, SessionId};

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
        let touches = self.touches.clone();
        let key = match &target {
            Target::Id(id) => Some(Key::new(&namespace, id)),
            Target::Handle(_) => None,
        };
        let handle = self
            .transact(move |draft| {
                let live = match (&target, &key) {
                    (Target::Handle(handle), _) => touches.find_by_handle(draft.view(), &namespace, *handle)?,
                    (Target::Id(_), Some(key)) => touches.find(draft.view(), key, Access::Peek)?,
                    (Target::Id(_), None) => None,
                };
                let record = live.ok_or(Error::NotFound)?.record;
                draft.remove(&record)?;
                Ok(record.handle)
            })
            .await?;
        tracing::debug!(%handle, "deleted");
        Ok(())
    }
}
