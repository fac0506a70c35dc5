//! The limit of sessions per principal.

use crate::clock::Millis;
use crate::engine::Draft;
use crate::model::{EventKind, Handle};
use crate::session::liveness::lookup::Seen;
use crate::session::policy::AtSessionLimit;
use crate::session::walks::list_walk::{ListWalk, Member};
use crate::session::{Error, Sessions};

impl Sessions {
    /// Makes room for one more session of the principal, or refuses it, as the policy says. The count is exact, since
    /// transactions run one after the other.
    pub(super) fn enforce_session_limit(
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
        let mut walk = ListWalk::new(namespace, principal);
        let mut live = Vec::new();
        while let Some(handles) = walk.next_in(view)? {
            for handle in handles.into_iter().filter(|handle| *handle != joining) {
                // A session that is damaged or has expired counts for nothing.
                if let Member::Live(seen) = self.member(&walk, handle, view)? {
                    live.push(seen);
                }
            }
        }
        Ok(live)
    }
}
