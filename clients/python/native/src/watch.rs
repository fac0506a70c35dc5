//! A stream of events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sessiond_client::proto::watch_sessions_response::Message;
use sessiond_client::proto::{Checkpoint, SessionEvent, WatchSessionsRequest, WatchSessionsResponse};
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

/// What a server tells of its sessions. The stream is opened when it is first read.
pub(crate) struct Events {
    state: Mutex<State>,
    cancelled: AtomicBool,
    cancel: Notify,
}

enum State {
    New(WatchSessionsRequest),
    /// With the number of the runtime that it was opened on.
    Open(u64, Box<Watch>),
    Ended,
}

impl Events {
    pub(crate) fn new(request: WatchSessionsRequest) -> Self {
        Self { state: Mutex::new(State::New(request)), cancelled: AtomicBool::new(false), cancel: Notify::new() }
    }

    /// The next message; the inner `None` is the end of the stream, the outer one that none has come for so long.
    pub(crate) async fn receive(
        &self,
        client: Client,
        runtime: u64,
        patience: Option<Duration>,
    ) -> Result<Option<Option<WatchSessionsResponse>>, Error> {
        let mut state = self.state.lock().await;
        let address = client.address().to_string();
        let cancelled = self.cancel.notified();
        if self.cancelled.load(Ordering::Acquire) {
            *state = State::Ended;
        }
        match &mut *state {
            State::Ended => Ok(Some(None)),
            State::New(request) => {
                let opened = client.watch(request.clone()).await;
                let watch = opened.inspect_err(|_| *state = State::Ended)?;
                let resume_token = watch.resume_token().to_owned();
                *state = State::Open(runtime, Box::new(watch));
                Ok(Some(Some(response(Message::Checkpoint(Checkpoint { resume_token })))))
            }
            // Its connection went with its runtime.
            State::Open(of, _) if *of != runtime => {
                *state = State::Ended;
                Err(Error::Unavailable { address, cause: "the stream was given up for a fork".to_owned() })
            }
            State::Open(_, watch) => {
                let next = async {
                    tokio::select! {
                        next = watch.next() => next.transpose(),
                        () = cancelled => Ok(None),
                    }
                };
                let next = match patience {
                    Some(patience) => match timeout(patience, next).await {
                        Ok(next) => next,
                        Err(_) => return Ok(None),
                    },
                    None => next.await,
                };
                if !matches!(next, Ok(Some(_))) {
                    *state = State::Ended;
                }
                Ok(Some(next?.map(plain)))
            }
        }
    }

    /// Ends the stream, and the wait of who reads it.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.cancel.notify_waiters();
    }
}

fn plain(message: WatchMessage) -> WatchSessionsResponse {
    response(match message {
        WatchMessage::Checkpoint(resume_token) => Message::Checkpoint(Checkpoint { resume_token }),
        WatchMessage::Event(Event { resume_token, kind, event_time, session }) => Message::Event(SessionEvent {
            kind: kind.into(),
            event_time: Some(event_time),
            session: Some(session),
            resume_token,
        }),
    })
}

fn response(message: Message) -> WatchSessionsResponse {
    WatchSessionsResponse { message: Some(message) }
}
