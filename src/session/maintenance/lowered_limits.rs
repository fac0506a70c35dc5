//! Bringing the sweeper's index in line with maxima that were lowered while the server was down.
//!
//! A session that a lowered maximum ends is gone for callers at once. Without this, the sweeper would remove it, and watchers
//! would hear of it, only at its old end.

use crate::engine::EngineError;
use crate::model::{Handle, Record};
use crate::session::walks::list_walk::ListWalk;
use crate::session::{Error, Sessions};

/// Sessions that are looked at, and perhaps changed, at a time.
const SLICE: usize = 16;

impl Sessions {
    /// Looks at every session in namespaces with maxima, and moves those that end earlier than the index says.
    pub(in crate::session) async fn apply_lowered_limits(&self) -> Result<(), Error> {
        for namespace in self.engine.statistics().sessions.into_keys() {
            if !self.policies.of(&namespace).has_maxima() {
                continue;
            }
            let mut walk = ListWalk::new(&namespace, "").in_slices_of(SLICE);
            while let Some(handles) = self.next_handles(&mut walk).await? {
                self.apply_lowered_limits_to(handles).await?;
            }
        }
        Ok(())
    }

    async fn apply_lowered_limits_to(&self, handles: Vec<Handle>) -> Result<(), Error> {
        let moves = |record: &Record| self.bounded(record).expires_at() < record.sweep_at;
        let found = self
            .query(|view| {
                let mut found = Vec::new();
                for handle in &handles {
                    match view.record(*handle) {
                        Ok(Some(record)) if moves(&record) => found.push(*handle),
                        Ok(_) | Err(EngineError::Corrupt(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(found)
            })
            .await?;
        tokio::task::yield_now().await;
        if found.is_empty() {
            return Ok(());
        }
        self.transact(|draft| {
            for handle in &found {
                if let Some(stored) = draft.view().record(*handle)? {
                    draft.put(self.bounded(&stored), Some(&stored), None)?;
                }
            }
            Ok(())
        })
        .await
    }

    fn bounded(&self, record: &Record) -> Record {
        let mut record = record.clone();
        self.policies.of(&record.namespace).bound(&mut record);
        record
    }
}
