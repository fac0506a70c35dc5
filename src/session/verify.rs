//! Checking all that is stored, while requests go on changing it.
//!
//! A look at a session and then at its index rows is not a look at one moment: a change may have come in between. So
//! whatever seems damaged is looked at again in a transaction, where no change is under way.

use super::scan::{SLICE, rest};
use super::step::{Step, sequence_at, step};
use super::{Error, Sessions};
use crate::engine::{EngineError, Expected, SessionList, View, is_indexed};
use crate::model::Handle;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// What a check has found so far. Takes some 30 bytes for each session that is not whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Sessions that are whole, counting expired ones that are not swept yet.
    pub sessions: u64,
    /// Sessions whose record can't be read.
    pub damaged: BTreeSet<Handle>,
    /// Sessions that can be read and lack index rows.
    pub unindexed: BTreeSet<Handle>,
    /// Pages of sessions, or of the lists that name them, that can't be read; pages side by side count as one.
    pub damaged_pages: u64,
    /// Events that can be read.
    pub events: u64,
    /// Places in the history at which events can't be read.
    pub damaged_events: u64,
}

impl Verification {
    /// Whether everything that was looked at is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.unindexed.is_empty() && self.damaged_pages == 0 && self.damaged_events == 0
    }

    /// Sessions that were looked at.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.sessions + self.damaged.len() as u64 + self.unindexed.len() as u64
    }

    fn note(&mut self, handle: Handle, state: State) {
        match state {
            State::Whole => self.sessions += 1,
            State::Damaged => drop(self.damaged.insert(handle)),
            State::Unindexed => drop(self.unindexed.insert(handle)),
            State::Gone => {}
        }
    }
}

/// How a session was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    Damaged,
    Unindexed,
    /// It has ended since.
    Gone,
}

impl Sessions {
    /// Looks at every session with its index rows, and at every event, at leisure. Tells now and then how far it has come.
    pub async fn verify(&self, mut tell: impl FnMut(&Verification) + Send) -> Result<Verification, Error> {
        let mut found = Verification::default();
        self.verify_sessions(&mut found, &mut tell).await?;
        if found.damaged_pages > 0 {
            self.verify_lists(&mut found).await?;
        }
        self.verify_history(&mut found, &mut tell).await?;
        Ok(found)
    }

    async fn verify_sessions(
        &self,
        found: &mut Verification,
        tell: &mut (impl FnMut(&Verification) + Send),
    ) -> Result<(), Error> {
        // What is made from now on sorts behind it: the walk has an end, however much is made.
        let end = place(Handle::mint(self.clock.now()));
        let mut after = 0;
        while after < end {
            let began = Instant::now();
            let read = |view: &dyn View, after, limit| view.handles(Some(handle_at(after)), limit);
            match self.query(|view| step(after, end, SLICE, |after, limit| read(view, after, limit))).await? {
                Step::Read(handles) => {
                    let Some(last) = handles.last() else { return Ok(()) };
                    after = place(*last);
                    for (handle, state) in self.look_at(handles).await? {
                        found.note(handle, state);
                    }
                }
                Step::Skipped(behind) => {
                    after = behind;
                    found.damaged_pages += 1;
                }
            }
            tell(found);
            rest(began).await;
        }
        Ok(())
    }

    /// Finds sessions that stood on pages that can't be read, by the lists that name them.
    async fn verify_lists(&self, found: &mut Verification) -> Result<(), Error> {
        for namespace in self.engine.statistics().sessions.into_keys() {
            let group = SessionList::of(&namespace, "");
            let mut before = None;
            loop {
                let began = Instant::now();
                let handles = match self.query(|view| view.members(&group, before, SLICE)).await {
                    Err(EngineError::Corrupt(_)) => {
                        found.damaged_pages += 1;
                        break;
                    }
                    handles => handles?,
                };
                let Some(last) = handles.last() else { break };
                before = Some(*last);
                for (handle, _) in self.look_at(handles).await?.into_iter().filter(|seen| seen.1 == State::Damaged) {
                    found.damaged.insert(handle);
                }
                rest(began).await;
            }
        }
        Ok(())
    }

    async fn verify_history(
        &self,
        found: &mut Verification,
        tell: &mut (impl FnMut(&Verification) + Send),
    ) -> Result<(), Error> {
        let last = *self.engine.last_event().borrow();
        let mut after = self.query(|view| view.events_dropped_through()).await?;
        while after < last {
            let began = Instant::now();
            let read = |view: &dyn View, after, limit| view.events(sequence_at(after), limit);
            let from = after.into();
            match self.query(|view| step(from, last.into(), SLICE, |after, limit| read(view, after, limit))).await? {
                Step::Read(events) => {
                    let Some(newest) = events.last() else { return Ok(()) };
                    after = newest.sequence;
                    found.events += events.len() as u64;
                }
                Step::Skipped(behind) => {
                    after = sequence_at(behind);
                    found.damaged_events += 1;
                }
            }
            tell(found);
            rest(began).await;
        }
        Ok(())
    }

    /// How each of these sessions is.
    async fn look_at(&self, handles: Vec<Handle>) -> Result<Vec<(Handle, State)>, Error> {
        let mut states = self.query(|view| self.states(&handles, view)).await?;
        let doubtful = |state: State| matches!(state, State::Damaged | State::Unindexed);
        let suspects: Vec<Handle> =
            states.iter().filter(|(_, state)| doubtful(*state)).map(|(handle, _)| *handle).collect();
        if !suspects.is_empty() {
            states.retain(|(_, state)| !doubtful(*state));
            states.extend(self.transact(|draft| Ok(self.states(&suspects, draft.view())?)).await?);
        }
        Ok(states)
    }

    fn states(&self, handles: &[Handle], view: &dyn View) -> Result<Vec<(Handle, State)>, EngineError> {
        view.expect(Expected::IndexRows(handles))?;
        handles.iter().map(|handle| Ok((*handle, self.state(*handle, view)?))).collect()
    }

    fn state(&self, handle: Handle, view: &dyn View) -> Result<State, EngineError> {
        match view.record(handle) {
            Ok(None) => Ok(State::Gone),
            Ok(Some(record)) if record.handle != handle => Ok(State::Damaged),
            Ok(Some(record)) if is_indexed(view, &record, self.clock.now())? => Ok(State::Whole),
            Ok(Some(_)) => Ok(State::Unindexed),
            Err(EngineError::Corrupt(_)) => Ok(State::Damaged),
            Err(error) => Err(error),
        }
    }
}

fn place(handle: Handle) -> u128 {
    u128::from_be_bytes(handle.to_bytes())
}

fn handle_at(place: u128) -> Handle {
    Handle::from_slice(&place.to_be_bytes()).unwrap_or(Handle::LAST)
}
