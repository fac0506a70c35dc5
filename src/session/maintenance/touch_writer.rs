//! Writing the touches that are only in memory beside their records.

use crate::clock::Millis;
use crate::engine::{EngineError, Expected};
use crate::model::Handle;
use crate::session::Sessions;
use crate::session::error::Error;

/// Touches written in one transaction, at most: a write of a request waits for no more than these.
const TOUCHES_PER_TRANSACTION: usize = 512;

impl Sessions {
    /// Writes the touches that are only in memory beside their records.
    pub async fn write_touches(&self) -> Result<(), Error> {
        let mut pending: Vec<(Handle, Millis)> = self.touches.pending().flatten().collect();
        // Neighbours share a page on disk, which is then written once for many of them.
        pending.sort_unstable();
        for notes in pending.chunks(TOUCHES_PER_TRANSACTION) {
            self.write_notes(notes).await?;
            self.touches.written(notes);
        }
        Ok(())
    }

    async fn write_notes(&self, notes: &[(Handle, Millis)]) -> Result<(), Error> {
        let handles: Vec<Handle> = notes.iter().map(|(handle, _)| *handle).collect();
        self.transact(|draft| {
            draft.view().expect(Expected::Sessions(&handles))?;
            for (handle, at) in notes {
                // The session may have been deleted or updated since it was touched.
                match draft.view().record(*handle) {
                    Ok(Some(record)) if record.accessed < *at => draft.touch(*handle, *at),
                    Ok(_) | Err(EngineError::Corrupt(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })
        .await
    }
}
