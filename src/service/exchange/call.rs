//! One call of a stream.

use super::order::Turn;
use crate::authorization::Caller;
use crate::proto::call::Method;
use crate::proto::reply::Result as Answer;
use crate::proto::{CallError, Reply};
use crate::service::call_counts::Rpc;
use crate::service::errors::status;
use crate::service::in_flight::budget::Held;
use crate::service::store::StoreService;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

/// A call that was begun.
pub(super) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What became of a call that did not end at once.
pub(super) enum Ended {
    /// It was carried out.
    Done(Reply),
    /// Its deadline passed before its turn came: it was not carried out.
    NeverBegun(Reply),
    /// Its deadline passed while it was being carried out, and it still is.
    TimedOut(Reply, Work),
    /// The server drained before its turn came: it was not carried out, and the end of the stream says so.
    Refused,
}

/// Begins to carry out a call for this caller, by the same method as a unary call. It holds the message that brought it.
pub(super) fn begin(store: Arc<StoreService>, caller: Caller, method: Method, message: Option<Arc<Held>>) -> Work {
    Box::pin(async move {
        let _message = message;
        let answer = match method {
            Method::Create(request) => store.create(&caller, *request).await.map(Answer::Create),
            Method::Get(request) => store.get(&caller, request).await.map(Answer::Get),
            Method::Update(request) => store.update(&caller, *request).await.map(Answer::Update),
            Method::Touch(request) => store.touch(&caller, request).await.map(Answer::Touch),
            Method::Rotate(request) => store.rotate(&caller, *request).await.map(Answer::Rotate),
            Method::Delete(request) => store.delete(&caller, request).await.map(Answer::Delete),
        };
        store.guesses.judge(&caller, answer).await.unwrap_or_else(failed)
    })
}

/// Sees a call through: waits for its turn, and ends it at its deadline.
pub(super) async fn attend(tag: u64, turn: Option<Turn>, mut work: Work, deadline: Option<Instant>) -> Ended {
    let mut has_begun = turn.is_none();
    let carried_out = async {
        if let Some(turn) = turn {
            turn.await.ok()?;
            has_begun = true;
        }
        Some(work.as_mut().await)
    };
    let in_time = match deadline {
        Some(deadline) => timeout_at(deadline, carried_out).await.ok(),
        None => Some(carried_out.await),
    };
    match in_time {
        Some(Some(answer)) => Ended::Done(reply(tag, answer)),
        Some(None) => Ended::Refused,
        None if has_begun => Ended::TimedOut(reply(tag, failed(status::call_timed_out())), work),
        None => Ended::NeverBegun(reply(tag, failed(status::call_timed_out()))),
    }
}

/// The method of a call.
pub(super) fn rpc_of(method: &Method) -> Rpc {
    match method {
        Method::Create(_) => Rpc::CreateSession,
        Method::Get(_) => Rpc::GetSession,
        Method::Update(_) => Rpc::UpdateSession,
        Method::Touch(_) => Rpc::TouchSession,
        Method::Rotate(_) => Rpc::RotateSession,
        Method::Delete(_) => Rpc::DeleteSession,
    }
}

impl Ended {
    /// The code in the reply to the call, or in the end of its stream.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Done(reply) | Self::NeverBegun(reply) | Self::TimedOut(reply, _) => code_in(reply),
            Self::Refused => Code::Unavailable,
        }
    }
}

/// The code in a reply.
pub(super) fn code_in(reply: &Reply) -> Code {
    match &reply.result {
        Some(Answer::Error(error)) => Code::from_i32(error.code),
        _ => Code::Ok,
    }
}

pub(super) fn reply(tag: u64, answer: Answer) -> Reply {
    Reply { tag, result: Some(answer) }
}

/// The error of one call: what the unary call would have ended with.
pub(super) fn failed(status: impl Into<Status>) -> Answer {
    let status = status.into();
    Answer::Error(CallError {
        code: status.code().into(),
        message: status.message().into(),
        details: status.details().to_vec().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::DeleteSessionResponse;
    use std::future::pending;
    use std::time::Duration;
    use tokio::sync::oneshot;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadline() -> Instant {
        Instant::now() + SECOND
    }

    fn done() -> Work {
        Box::pin(async { Answer::Delete(DeleteSessionResponse { deleted: true }) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_in_time_is_answered_under_its_tag() {
        let Ended::Done(reply) = attend(7, None, done(), Some(deadline())).await else { panic!("done") };
        assert_eq!((reply.tag, code_in(&reply)), (7, Code::Ok));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_being_carried_out_at_its_deadline_goes_on_without_its_caller() {
        let begin = Instant::now();
        let (finish, finished) = oneshot::channel::<()>();
        let work: Work = Box::pin(async {
            finished.await.ok();
            done().await
        });
        let Ended::TimedOut(reply, rest) = attend(7, None, work, Some(deadline())).await else { panic!("timed out") };
        assert_eq!((reply.tag, code_in(&reply)), (7, Code::DeadlineExceeded));
        assert_eq!(begin.elapsed().as_secs(), 1);
        drop(finish);
        assert!(matches!(rest.await, Answer::Delete(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_turn_does_not_come_in_time_never_begins() {
        let (_turn, waits) = oneshot::channel();
        let work: Work = Box::pin(async { panic!("it must not begin") });
        let Ended::NeverBegun(reply) = attend(7, Some(waits), work, Some(deadline())).await else {
            panic!("not begun")
        };
        assert_eq!(code_in(&reply), Code::DeadlineExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_when_the_server_drains_never_begins() {
        let (turn, waits) = oneshot::channel();
        drop(turn);
        let work: Work = Box::pin(async { panic!("it must not begin") });
        assert!(matches!(attend(7, Some(waits), work, None).await, Ended::Refused));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_a_call_waits() {
        let call = attend(7, None, Box::pin(pending()), None);
        assert!(tokio::time::timeout(3_600 * SECOND, call).await.is_err());
    }
}
