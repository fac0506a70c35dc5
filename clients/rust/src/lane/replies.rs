//! Who waits for which reply.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use slab::Slab;
use tokio::sync::{Notify, oneshot};
use tonic::{Code, Status};

use super::Failure;
use crate::proto::Reply;
use crate::proto::reply::Result as Answer;

/// Calls of one stream that may be in flight: with more the server reads no further.
const CALLS_IN_FLIGHT: usize = 1_024;

type Caller = oneshot::Sender<Result<Answer, Failure>>;

/// The calls in flight of one stream.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    /// Told when the stream has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By tag. A tag is free again when its reply has come, also if the caller has gone.
    callers: Slab<Caller>,
    /// Who gathers calls, while there is no room for them.
    gatherer: Option<Waker>,
    /// The server, or something on the way to it, has answered.
    accepted: bool,
    /// Why the stream has ended.
    end: Option<Failure>,
}

impl Waiting {
    /// Whether another call may be sent; if not, the task is woken when one may.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        let has_room = state.callers.len() < CALLS_IN_FLIGHT;
        state.gatherer = (!has_room).then(|| cx.waker().clone());
        has_room
    }

    /// Takes in a caller; the tag of the call. `None` if the stream has ended.
    pub(super) fn enter(&self, caller: Caller) -> Option<u64> {
        let mut state = self.state();
        state.end.is_none().then(|| state.callers.insert(caller) as u64)
    }

    /// The stream was accepted.
    pub(super) fn accept(&self) {
        self.state().accepted = true;
    }

    pub(super) fn was_sent_but_not_accepted(&self) -> bool {
        let state = self.state();
        !state.accepted && !state.callers.is_empty()
    }

    /// Hands out replies.
    pub(super) fn answer(&self, replies: Vec<Reply>) {
        let mut state = self.state();
        for Reply { tag, result } in replies {
            let caller = usize::try_from(tag).ok().and_then(|tag| state.callers.try_remove(tag));
            if let Some(caller) = caller {
                // Who has given up waits no more.
                caller.send(answer(result)).ok();
            }
        }
        if let Some(gatherer) = state.gatherer.take() {
            gatherer.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().end.is_some()
    }

    /// The stream has ended: nobody gets a reply any more.
    pub(super) fn close(&self, end: &Failure) {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(end.clone());
            for caller in state.callers.drain() {
                caller.send(Err(end.clone())).ok();
            }
            self.ended.notify_waiters();
        }
    }

    /// What to tell callers whose calls never left. It is known once the stream has ended, which it is about to.
    pub(super) async fn why_not_sent(&self) -> Failure {
        let ended = self.ended.notified();
        if !self.is_closed() {
            ended.await;
        }
        match &self.state().end {
            Some(Failure::Refused) => Failure::Refused,
            Some(Failure::NotCarriedOut(status, charge) | Failure::Unknown(status, charge)) => {
                Failure::NotCarriedOut(status.clone(), charge.clone())
            }
            Some(Failure::Answered(status)) => Failure::Answered(status.clone()),
            None => Failure::NotCarriedOut(Status::unavailable("the connection was lost"), None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(result: Option<Answer>) -> Result<Answer, Failure> {
    match result {
        Some(Answer::Error(error)) => {
            let code = Code::from_i32(error.code);
            Err(Failure::Answered(Status::with_details(code, error.message, error.details)))
        }
        Some(answer) => Ok(answer),
        None => Err(Failure::Answered(Status::internal("a reply has no result"))),
    }
}
