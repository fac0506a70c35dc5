//! Bringing the sweeper's index in line with maxima that were lowered while the server was down.
//!
//! What a lowered maximum ends is absent at once; without this it would be swept, and told of, only at its old end.

use super::{Error, Sessions};
use crate::engine::{EngineError, SessionList};
use crate::model::{Handle, Record};

/// Sessions looked at in one go.
const SLICE: usize = 16;

impl Sessions {
    /// Looks at every session in namespaces with maxima, and moves those that end earlier than the index says.
    pub(super) async fn rebound(&self) -> Result<(), Error> {
        for namespace in self.engine.statistics().sessions.into_keys() {
            if !self.policies.of(&namespace).has_maxima() {
                continue;
            }
            let group = SessionList::of(&namespace, "");
            let mut before = None;
            loop {
                let handles = self.query(|view| view.members(&group, before, SLICE)).await?;
                let Some(last) = handles.last().copied() else { break };
                before = Some(last);
                self.rebound_slice(handles).await?;
            }
        }
        Ok(())
    }

    async fn rebound_slice(&self, handles: Vec<Handle>) -> Result<(), Error> {
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
