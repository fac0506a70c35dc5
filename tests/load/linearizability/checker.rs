//! A linearizability checker after Wing and Gong, with Lowe's memory of states already tried. It looks for an order of
//! the operations that respects real time, and in which each answer is what a single-threaded store would have given.
//!
//! The store has two IDs. Expiry is part of it: a session may end from its moment of expiry on, and an operation that
//! began later must not find it.

use std::collections::HashSet;

/// Microseconds since the Unix epoch.
pub(crate) type Micros = u64;

/// A handle, reduced to its random end.
pub(crate) type Handle = u64;

/// One of the two IDs.
pub(crate) type Id = usize;

/// What a client did, and the answer.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) began: Micros,
    pub(crate) ended: Micros,
    pub(crate) call: Call,
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Creates with a value; tells the handle and when it will expire, or `None` if the ID is taken.
    Create { id: Id, value: u64, made: Option<(Handle, Micros)> },
    /// Reads the handle, the value and the version.
    Get { id: Id, found: Option<(Handle, u64, u64)> },
    /// Sets the value; the version afterwards.
    Update { id: Id, value: u64, version: Option<u64> },
    /// Slides nothing here, as the sessions have an absolute end; the version.
    Touch { id: Id, version: Option<u64> },
    /// Moves the session to the other ID.
    Rotate { from: Id, outcome: Rotated },
    /// Whether there was one.
    Delete { id: Id, deleted: bool },
    /// Ends the session with this handle, whatever its ID is now; whether there was one.
    Revoke { handle: Handle, ended: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotated {
    Done,
    NotFound,
    Taken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Session {
    handle: Handle,
    value: u64,
    version: u64,
    expires: Micros,
}

type State = [Option<Session>; 2];

/// Whether there is a valid order.
pub(crate) fn is_linearizable(history: &[Operation]) -> bool {
    assert!(history.len() <= 128, "the set of what is done is kept in 128 bits");
    let mut tried = HashSet::new();
    let all = if history.len() == 128 { u128::MAX } else { (1 << history.len()) - 1 };
    search(history, 0, [None, None], all, &mut tried)
}

fn search(history: &[Operation], done: u128, state: State, all: u128, tried: &mut HashSet<(u128, State)>) -> bool {
    if done == all {
        return true;
    }
    if !tried.insert((done, state)) {
        return false;
    }
    let open = || history.iter().enumerate().filter(|(at, _)| done & (1 << at) == 0);
    // An operation that began after another had ended can't come before it.
    let earliest_end = open().map(|(_, operation)| operation.ended).min().unwrap_or(Micros::MAX);
    for (at, operation) in open().filter(|(_, operation)| operation.began <= earliest_end) {
        for before in expiries(state, operation) {
            if let Some(after) = step(before, operation)
                && search(history, done | (1 << at), after, all, tried)
            {
                return true;
            }
        }
    }
    false
}

/// The states in which an operation may find the store. Sessions that may expire before the operation's end are there
/// or not. Sessions that expired before its beginning are gone.
fn expiries(state: State, operation: &Operation) -> Vec<State> {
    let mut states = vec![state];
    for id in 0..2 {
        let Some(session) = state[id] else { continue };
        if session.expires <= operation.ended {
            let mut expired: Vec<State> = states.clone();
            for state in &mut expired {
                state[id] = None;
            }
            if session.expires <= operation.began {
                states.clear();
            }
            states.extend(expired);
        }
    }
    states
}

/// The state after the operation, if the operation could give this answer.
fn step(mut state: State, operation: &Operation) -> Option<State> {
    match operation.call {
        Call::Create { id, value, made } => match (state[id], made) {
            (Some(_), None) => Some(state),
            (None, Some((handle, expires))) => {
                state[id] = Some(Session { handle, value, version: 1, expires });
                Some(state)
            }
            _ => None,
        },
        Call::Get { id, found } => {
            (state[id].map(|session| (session.handle, session.value, session.version)) == found).then_some(state)
        }
        Call::Update { id, value, version } => {
            if let Some(session) = &mut state[id] {
                session.value = value;
                session.version += 1;
            }
            (state[id].map(|session| session.version) == version).then_some(state)
        }
        Call::Touch { id, version } => (state[id].map(|session| session.version) == version).then_some(state),
        Call::Rotate { from, outcome } => {
            let to = 1 - from;
            let expected = match (state[from], state[to]) {
                (None, _) => Rotated::NotFound,
                (Some(_), Some(_)) => Rotated::Taken,
                (Some(_), None) => {
                    state.swap(from, to);
                    Rotated::Done
                }
            };
            (expected == outcome).then_some(state)
        }
        Call::Delete { id, deleted } => (state[id].take().is_some() == deleted).then_some(state),
        Call::Revoke { handle, ended } => {
            let named = state.iter_mut().find(|slot| slot.is_some_and(|session| session.handle == handle));
            (named.and_then(Option::take).is_some() == ended).then_some(state)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(began: Micros, ended: Micros, call: Call) -> Operation {
        Operation { began, ended, call }
    }

    fn create(began: Micros, ended: Micros) -> Operation {
        operation(began, ended, Call::Create { id: 0, value: 7, made: Some((1, 1_000)) })
    }

    #[test]
    fn a_stale_read_is_found_out() {
        let update = operation(20, 30, Call::Update { id: 0, value: 8, version: Some(2) });
        let stale = |began| operation(began, began + 5, Call::Get { id: 0, found: Some((1, 7, 1)) });
        assert!(is_linearizable(&[create(0, 10), update.clone(), stale(25)]));
        assert!(!is_linearizable(&[create(0, 10), update, stale(31)]));
    }

    #[test]
    fn a_revived_session_is_found_out() {
        let delete = operation(20, 30, Call::Delete { id: 0, deleted: true });
        let read = operation(40, 50, Call::Get { id: 0, found: Some((1, 7, 1)) });
        assert!(!is_linearizable(&[create(0, 10), delete, read]));
    }

    #[test]
    fn a_lost_update_is_found_out() {
        let update = |value| operation(20, 40, Call::Update { id: 0, value, version: Some(2) });
        assert!(!is_linearizable(&[create(0, 10), update(8), update(9)]));
    }

    #[test]
    fn expiry_is_neither_early_nor_late() {
        let get =
            |began, found: bool| operation(began, began + 5, Call::Get { id: 0, found: found.then_some((1, 7, 1)) });
        assert!(is_linearizable(&[create(0, 10), get(990, true), get(998, true), get(1_000, false)]));
        assert!(!is_linearizable(&[create(0, 10), get(980, false)]));
        assert!(!is_linearizable(&[create(0, 10), get(1_000, true)]));
        assert!(!is_linearizable(&[create(0, 10), get(997, false), get(1_003, true)]));
    }

    #[test]
    fn two_rotations_can_not_both_win() {
        let rotate = || operation(20, 40, Call::Rotate { from: 0, outcome: Rotated::Done });
        assert!(!is_linearizable(&[create(0, 10), rotate(), rotate()]));
    }
}
