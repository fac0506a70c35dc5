//! The walk over a list of sessions, newest first: all of a namespace, or those of a principal. Everything that goes over a
//! list goes over it here, slice by slice.

use super::pace::{SLICE, rest};
use crate::engine::{EngineError, Expected, SessionList, View};
use crate::model::{Handle, Record};
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::Seen;
use crate::session::{Error, Sessions};
use tokio::time::Instant;

/// Where a walk over a list stands.
#[derive(Debug)]
pub(in crate::session) struct ListWalk<'a> {
    namespace: &'a str,
    principal: &'a str,
    slice: usize,
    /// Only older sessions are still to come.
    before: Option<Handle>,
    is_at_end: bool,
}

/// What stands under one row of a list.
pub(in crate::session) enum Member {
    Live(Seen),
    /// An expired or damaged session, which opens for nobody. The sweeper sees to it.
    Ended,
    /// Nothing that belongs on the list.
    Stale,
}

impl<'a> ListWalk<'a> {
    /// A walk over the sessions of the principal, or of the whole namespace if the principal is empty.
    pub(in crate::session) fn new(namespace: &'a str, principal: &'a str) -> Self {
        Self { namespace, principal, slice: SLICE, before: None, is_at_end: false }
    }

    /// The same walk over those made before this session.
    pub(super) fn before(self, before: Option<Handle>) -> Self {
        Self { before, ..self }
    }

    /// The same walk with so many sessions in a slice.
    pub(in crate::session) fn in_slices_of(self, slice: usize) -> Self {
        Self { slice, ..self }
    }

    /// The session behind which the walk goes on; `None` at the end.
    pub(super) fn position(&self) -> Option<Handle> {
        self.before.filter(|_| !self.is_at_end)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Reads the next slice of handles and goes on behind it; `None` at the end.
    pub(in crate::session) fn next_in(&mut self, view: &dyn View) -> Result<Option<Vec<Handle>>, EngineError> {
        if self.is_at_end {
            return Ok(None);
        }
        let handles = self.peek(view)?;
        self.pass(&handles);
        Ok(Some(handles).filter(|handles| !handles.is_empty()))
    }

    /// The next slice of handles. An engine may run a query again, so the walk goes on only with [`pass`](Self::pass).
    fn peek(&self, view: &dyn View) -> Result<Vec<Handle>, EngineError> {
        view.members(&self.list(), self.before, self.slice)
    }

    fn pass(&mut self, handles: &[Handle]) {
        self.is_at_end = handles.len() < self.slice;
        self.before = handles.last().copied().or(self.before);
    }

    fn list(&self) -> SessionList {
        SessionList::of(self.namespace, self.principal)
    }

    fn lists(&self, record: &Record) -> bool {
        record.namespace == self.namespace && (self.principal.is_empty() || record.principal == self.principal)
    }
}

impl Sessions {
    /// Reads the next slice of handles in a query and goes on behind it; `None` at the end.
    pub(in crate::session) async fn next_handles(
        &self,
        walk: &mut ListWalk<'_>,
    ) -> Result<Option<Vec<Handle>>, EngineError> {
        if walk.is_at_end {
            return Ok(None);
        }
        let handles = self.query(|view| walk.peek(view)).await?;
        walk.pass(&handles);
        Ok(Some(handles).filter(|handles| !handles.is_empty()))
    }

    /// The live sessions of the next slice. Takes rows off the list that lead nowhere, and pauses unless it was the last slice.
    pub(super) async fn next_live(&self, walk: &mut ListWalk<'_>) -> Result<Vec<Seen>, Error> {
        let began = Instant::now();
        let (handles, members) = self
            .query(|view| {
                let handles = walk.peek(view)?;
                view.expect(Expected::Sessions(&handles))?;
                let members: Result<Vec<Member>, _> =
                    handles.iter().map(|handle| self.member(walk, *handle, view)).collect();
                Ok((handles, members?))
            })
            .await?;
        walk.pass(&handles);
        let (mut live, mut stale) = (Vec::new(), Vec::new());
        for (handle, member) in handles.into_iter().zip(members) {
            match member {
                Member::Live(seen) => live.push(seen),
                Member::Stale => stale.push(handle),
                Member::Ended => {}
            }
        }
        if !stale.is_empty() {
            self.heal(walk, &stale).await?;
        }
        if !walk.is_at_end {
            rest(began).await;
        }
        Ok(live)
    }

    /// What stands under a row of the list.
    pub(in crate::session) fn member(
        &self,
        walk: &ListWalk<'_>,
        handle: Handle,
        view: &dyn View,
    ) -> Result<Member, EngineError> {
        let record = match view.record(handle) {
            Err(EngineError::Corrupt(_)) => return Ok(Member::Ended),
            record => record?.filter(|record| walk.lists(record)),
        };
        let Some(record) = record else { return Ok(Member::Stale) };
        Ok(match self.touches.judge(&record, Access::Peek, view)? {
            (life, Some(_)) => Member::Live(Seen { record, life }),
            (_, None) => Member::Ended,
        })
    }

    /// Takes rows off a list that a crash left there, or that a change is just about to fill.
    async fn heal(&self, walk: &ListWalk<'_>, stale: &[Handle]) -> Result<(), Error> {
        let list = walk.list();
        self.transact(|draft| {
            draft.view().expect(Expected::Sessions(stale))?;
            for handle in stale {
                // Looked at again, where no change is under way.
                let record = draft.view().record(*handle)?;
                if record.is_none_or(|record| !walk.lists(&record)) {
                    draft.drop_member(&list, *handle)?;
                }
            }
            Ok(())
        })
        .await
    }
}
