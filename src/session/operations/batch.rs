//! Reading and ending many sessions in one call.

use crate::engine::EngineError;
use crate::model::{EventKind, Handle, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, Seen, expect};

/// Sessions read in one query.
const SLICE: usize = 64;

impl Sessions {
    /// Reads many sessions, with a result for each. Those that do not fit into an answer of `room` bytes are refused.
    pub async fn get_many(
        &self,
        namespace: &str,
        ids: &[SessionId],
        access: Access,
        mut room: usize,
    ) -> Result<Vec<Result<Seen, Error>>, Error> {
        let keys: Vec<LookupKey> = ids.iter().map(|id| LookupKey::new(namespace, id)).collect();
        let mut results = Vec::with_capacity(keys.len());
        for slice in keys.chunks(SLICE) {
            let found = self
                .query(|view| {
                    expect(view, slice)?;
                    let find = |key: &LookupKey| match self.touches.find_to_read(view, key, access) {
                        Ok(seen) => Ok(seen.ok_or(Error::NotFound)),
                        Err(error @ EngineError::Corrupt(_)) => Ok(Err(error.into())),
                        Err(error) => Err(error),
                    };
                    slice.iter().map(find).collect::<Result<Vec<_>, _>>()
                })
                .await?;
            for result in found {
                // There is a result for each ID so far.
                let id = &ids[results.len()];
                results.push(self.counters.note_lookup(result).and_then(|seen| seen.opened(id)).and_then(|seen| {
                    room = room.checked_sub(seen.record.answer_size()).ok_or(Error::BatchTooLarge)?;
                    Ok(seen)
                }));
            }
            // Requests that have arrived meanwhile go first.
            tokio::task::yield_now().await;
        }
        Ok(results)
    }

    /// Ends many sessions in one atomic step. Returns for each whether this call ended it.
    pub async fn delete_many(&self, namespace: &str, ids: &[SessionId]) -> Result<Vec<Result<bool, Error>>, Error> {
        let keys: Vec<LookupKey> = ids.iter().map(|id| LookupKey::new(namespace, id)).collect();
        let (results, ended) = self
            .transact(|draft| {
                expect(draft.view(), &keys)?;
                let mut ended: Vec<Handle> = Vec::new();
                let mut results = Vec::with_capacity(keys.len());
                for key in &keys {
                    let live = match self.touches.find(draft.view(), key, Access::Peek) {
                        Ok(live) => live,
                        Err(error @ EngineError::Corrupt(_)) => {
                            results.push(Err(error.into()));
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    // Two IDs may open one session.
                    let live = live.filter(|live| !ended.contains(&live.record.handle));
                    results.push(Ok(live.is_some()));
                    if let Some(live) = live {
                        let cause = self.policies.cause(EventKind::Deleted, namespace, live.now);
                        draft.remove(&live.to_record(), cause)?;
                        ended.push(live.record.handle);
                    }
                }
                Ok((results, ended))
            })
            .await?;
        for handle in ended {
            tracing::debug!(%handle, "deleted");
        }
        for _ in results.iter().filter(|deleted| matches!(deleted, Ok(false))) {
            self.counters.count_failed_lookup();
        }
        Ok(results)
    }
}
