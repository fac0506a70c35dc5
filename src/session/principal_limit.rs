//! The limit of sessions per principal.

use super::lookup::Seen;
use super::policy::AtSessionLimit;
use super::touches::Access;
use super::{Error, Sessions};
use crate::clock::Millis;
use crate::engine::{Draft, EngineError, SessionList};
use crate::model::{EventKind, Handle};

/// Sessions looked at in one go.
const SLICE: usize = 64;

impl Sessions {
    /// Makes room for one more session of the principal, or refuses it, as the policy says. The count is exact, since
    /// transactions run one after the other.
    pub(super) fn make_room(
        &self,
        draft: &mut Draft<'_>,
        namespace: &str,
        principal: &str,
        joining: Handle,
        now: Millis,
    ) -> Result<(), Error> {
        let policy = self.policies.of(namespace);
        let Some(limit) = policy.max_sessions_per_principal.filter(|_| !principal.is_empty()) else {
            return Ok(());
        };
        let live = self.live_sessions_of(draft, namespace, principal, joining)?;
        if live.len() < limit {
            return Ok(());
        }
        match policy.at_session_limit {
            AtSessionLimit::Refuse => Err(Error::SessionLimit { limit }),
            AtSessionLimit::EndOldest => {
                for oldest in &live[limit.saturating_sub(1)..] {
                    draft.remove(&oldest.to_record(), self.policies.cause(EventKind::Revoked, namespace, now))?;
                }
                Ok(())
            }
        }
    }

    /// The principal's live sessions but the one that joins, newest first.
    fn live_sessions_of(
        &self,
        draft: &Draft<'_>,
        namespace: &str,
        principal: &str,
        joining: Handle,
    ) -> Result<Vec<Seen>, Error> {
        let view = draft.view();
        let group = SessionList::of(namespace, principal);
        let (mut live, mut before) = (Vec::new(), None);
        loop {
            let handles = view.members(&group, before, SLICE)?;
            for handle in handles.iter().filter(|handle| **handle != joining) {
                let record = match view.record(*handle) {
                    // It opens for nobody, and so counts for nothing.
                    Err(EngineError::Corrupt(_)) => continue,
                    record => record?,
                };
                let Some(record) = record.filter(|r| r.namespace == namespace && r.principal == principal) else {
                    continue;
                };
                if let (life, Some(_)) = self.touches.judge(&record, Access::Peek, view)? {
                    live.push(Seen { record, life });
                }
            }
            if handles.len() < SLICE {
                return Ok(live);
            }
            before = handles.last().copied();
        }
    }
}
