//! Ending many sessions from outside.

use super::touches::Access;
use super::{Error, Sessions};
use crate::engine::{EngineError, Expected};
use crate::model::{EventKind, Handle, SessionId};
use tokio::time::Instant;

/// Sessions ended in one transaction of a walk. With more the reads beside it wait longer: with 16 their p99 was 2.0 to
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
    /// Ends the sessions and returns how many there were. Sessions made after the call began are left alone.
    pub async fn revoke(&self, namespace: &str, scope: RevokeScope) -> Result<u64, Error> {
        match scope {
            RevokeScope::Handles(handles) => self.revoke_handles(namespace, "", &handles).await,
            RevokeScope::WholeNamespace => self.revoke_group(namespace, "", None).await,
            RevokeScope::Principal { principal, except } => {
                let except = match except {
                    Some(id) => Some(self.see(namespace, &id, Access::Peek).await?.record.handle),
                    None => None,
                };
                self.revoke_group(namespace, &principal, except).await
            }
        }
    }

    async fn revoke_group(&self, namespace: &str, principal: &str, except: Option<Handle>) -> Result<u64, Error> {
        let (mut revoked, mut before) = (0, None);
        loop {
            let slice = self.slice(namespace, principal, before).await?;
            let handles: Vec<Handle> = slice.live.iter().map(|seen| seen.record.handle).collect();
            let handles: Vec<Handle> = handles.into_iter().filter(|handle| Some(*handle) != except).collect();
            for few in handles.chunks(REVOKED_AT_ONCE) {
                let began = Instant::now();
                revoked += self.revoke_handles(namespace, principal, few).await?;
                if slice.next.is_some() {
                    // Requests get at least two thirds of the writer's time.
                    tokio::time::sleep(2 * began.elapsed()).await;
                }
            }
            if slice.next.is_none() {
                break;
            }
            before = slice.next;
        }
        tracing::info!(namespace, revoked, "revoked sessions");
        Ok(revoked)
    }

    /// Ends those of the sessions that are there, and still the principal's unless it is empty.
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
                        // A damaged session opens for nobody; it must not save the others.
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
