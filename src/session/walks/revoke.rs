//! Ending many sessions from outside.

use super::list_walk::ListWalk;
use crate::engine::{EngineError, Expected};
use crate::model::{EventKind, Handle, SessionId};
use crate::session::liveness::expiry::Access;
use crate::session::{Error, Sessions};
use tokio::time::Instant;

/// Sessions that a walk ends in one transaction. With more, the reads beside it wait longer: with 16, their p99 was 2.0 to
/// 2.8 times its quiet value on two cores, with 4 it was 1.3 to 1.9 times.
const REVOKED_AT_ONCE: usize = 4;

/// Which sessions to end.
#[derive(Clone, Debug)]
pub enum RevokeScope {
    /// Those of a principal.
    Principal {
        /// Whose.
        principal: String,
        /// The ID of a session to leave alone.
        except: Option<SessionId>,
    },
    /// Those named.
    Handles(Vec<Handle>),
    /// All of the namespace.
    WholeNamespace,
}

impl Sessions {
    /// Ends the sessions and returns how many there were. `note` hears of those that have ended, some at a time. Sessions made
    /// after the call began are left alone.
    pub async fn revoke(&self, namespace: &str, scope: RevokeScope, note: impl Fn(u64)) -> Result<u64, Error> {
        match scope {
            RevokeScope::Handles(handles) => {
                self.revoke_handles(namespace, "", &handles).await.inspect(|revoked| note(*revoked))
            }
            RevokeScope::WholeNamespace => self.revoke_list((namespace, ""), None, note).await,
            RevokeScope::Principal { principal, except } => {
                let except = match except {
                    Some(id) => Some(self.get(namespace, &id, Access::Peek).await?.record.handle),
                    None => None,
                };
                self.revoke_list((namespace, &principal), except, note).await
            }
        }
    }

    async fn revoke_list(
        &self,
        (namespace, principal): (&str, &str),
        except: Option<Handle>,
        note: impl Fn(u64),
    ) -> Result<u64, Error> {
        note(0);
        let mut walk = ListWalk::new(namespace, principal);
        let mut revoked = 0;
        while !walk.is_at_end() {
            let live = self.next_live(&mut walk).await?;
            let handles = live.iter().map(|seen| seen.record.handle);
            let handles: Vec<Handle> = handles.filter(|handle| Some(*handle) != except).collect();
            for few in handles.chunks(REVOKED_AT_ONCE) {
                let began = Instant::now();
                let ended = self.revoke_handles(namespace, principal, few).await?;
                revoked += ended;
                note(ended);
                if !walk.is_at_end() {
                    // Requests get at least two thirds of the writer's time.
                    tokio::time::sleep(2 * began.elapsed()).await;
                }
            }
        }
        tracing::info!(namespace, revoked, "revoked sessions");
        Ok(revoked)
    }

    /// Ends those of the sessions that exist and, unless the principal is empty, still belong to it.
    async fn revoke_handles(&self, namespace: &str, principal: &str, handles: &[Handle]) -> Result<u64, Error> {
        if handles.is_empty() {
            return Ok(0);
        }
        let ended = self
            .transact(|draft| {
                draft.view().expect(Expected::Sessions(handles))?;
                let mut ended: Vec<Handle> = Vec::new();
                for handle in handles {
                    let live = match self.touches.find_by_handle(draft.view(), namespace, *handle) {
                        // A damaged session opens for nobody. It must not keep the others from being ended.
                        Err(EngineError::Corrupt(_)) => continue,
                        live => live?,
                    };
                    let live = live.filter(|live| principal.is_empty() || live.record.principal == principal);
                    // The caller may have named one twice.
                    let Some(live) = live.filter(|live| !ended.contains(&live.record.handle)) else {
                        continue;
                    };
                    draft.remove(&live.to_record(), self.policies.cause(EventKind::Revoked, namespace, live.now))?;
                    ended.push(*handle);
                }
                Ok(ended)
            })
            .await?;
        for handle in &ended {
            tracing::debug!(%handle, "revoked");
        }
        Ok(ended.len() as u64)
    }
}
