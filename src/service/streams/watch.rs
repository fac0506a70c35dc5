//! The stream of events.
//!
//! A watcher has no queue of its own: it reads the history at its own pace and is woken when there is more. So it costs bounded
//! memory and slows nobody; one that falls too far behind finds that the events it missed are gone. What it has read and not
//! sent is held in the share of its connection.

use super::answer_stream::{AnswerStream, MAX_STALL, Outgoing, ended_by};
use crate::authorization::{Caller, Permission};
use crate::model::{Event, EventKind, ResumeToken};
use crate::proto::watch_sessions_response::Message;
use crate::proto::{self, Checkpoint, SessionEvent, WatchSessionsRequest, WatchSessionsResponse};
use crate::service::convert::answer::{session, timestamp};
use crate::service::convert::request::{self, EventFilter};
use crate::service::errors::status::Refusal;
use crate::service::in_flight::budget::{Held, Share};
use crate::service::store::StoreService;
use crate::service::streams::watchers::WatcherEntry;
use crate::session::Sessions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;

/// Events read from the history at a time.
const SLICE: usize = 32;

/// Messages that wait for the watcher's connection.
const BUFFER: usize = 32;

impl StoreService {
    pub(in crate::service) async fn watch(
        &self,
        caller: Caller,
        request: WatchSessionsRequest,
        share: Arc<Share>,
    ) -> Result<AnswerStream<WatchSessionsResponse>, Status> {
        let sessions = self.sessions()?;
        let last_event = sessions.last_event();
        let checkpoint_interval = request::checkpoint_interval(request.checkpoint_interval)?;
        let resumed = request::resume_token(&request.resume_token)?;
        let position = resumed.map_or_else(|| *last_event.borrow(), |token| token.sequence);
        caller.note(|notes| {
            notes.scope = request.all_namespaces.then_some("all_namespaces");
            notes.note_principal(&request.principal);
        });
        let filter = request::event_filter(&caller, request)?;
        // Finds out at once whether the events after it are still there.
        sessions.require_history(position).await?;

        let (messages, receiver) = mpsc::channel(BUFFER);
        let watcher = Watcher {
            sessions,
            caller,
            filter,
            checkpoint_interval,
            position,
            last_event,
            draining: self.draining.clone(),
            share,
            messages,
            entry: self.watchers.enter(position)?,
        };
        watcher.caller.note(|notes| notes.events = Some(0));
        watcher.caller.note_begun();
        Ok(AnswerStream::new(receiver, async move { Err(watcher.run().await) }))
    }
}

struct Watcher {
    sessions: Arc<Sessions>,
    caller: Caller,
    filter: EventFilter,
    checkpoint_interval: Duration,
    /// Every event up to here that the filter lets through was sent.
    position: u64,
    last_event: watch::Receiver<u64>,
    draining: watch::Receiver<bool>,
    share: Arc<Share>,
    messages: mpsc::Sender<Outgoing<WatchSessionsResponse>>,
    entry: WatcherEntry,
}

impl Watcher {
    /// Sends events until there is a reason to stop, and returns it.
    async fn run(mut self) -> Status {
        let ended = ended_by(self.draining.clone(), self.messages.clone());
        let denied = self.caller.clone().denied(Permission::Watch, self.filter.namespace.clone());
        tokio::select! {
            biased;
            status = ended => status,
            denied = denied => denied.into(),
            Err(status) = self.send_all() => status,
        }
    }

    async fn send_all(&mut self) -> Result<std::convert::Infallible, Status> {
        self.send_checkpoint().await?;
        loop {
            let checkpoint_at = Instant::now() + self.checkpoint_interval;
            loop {
                let newest = *self.last_event.borrow_and_update();
                self.catch_up(newest).await?;
                tokio::select! {
                    changed = self.last_event.changed() => changed.map_err(|_| Refusal::NotReady)?,
                    () = sleep_until(checkpoint_at) => break,
                }
            }
            self.send_checkpoint().await?;
        }
    }

    async fn catch_up(&mut self, newest: u64) -> Result<(), Status> {
        while self.position < newest {
            self.room().await?;
            let events = self.sessions.events(self.position, newest, SLICE).await?;
            let at_end = events.len() < SLICE;
            let mut slice = self.share.hold_answer(events.iter().map(|event| event.record.answer_size()).sum());
            for event in events {
                self.position = event.sequence;
                if self.filter.lets_through(&event) {
                    let event = to_proto(event, self.filter.include_attributes);
                    let held = slice.split(event.session.len());
                    self.send(Message::Event(event), held).await?;
                    self.caller.note(|notes| *notes.events.get_or_insert_default() += 1);
                }
            }
            if at_end {
                self.position = newest;
            }
            self.entry.note(self.position);
            // Requests that arrived meanwhile go first.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn send_checkpoint(&self) -> Result<(), Status> {
        let checkpoint = Checkpoint { resume_token: resume_token(self.position) };
        self.send(Message::Checkpoint(checkpoint), self.share.hold_answer(0)).await
    }

    /// Waits until the connection may hold more.
    async fn room(&self) -> Result<(), Status> {
        timeout(MAX_STALL, self.share.room_to_answer()).await.map_err(|_| Refusal::WatcherTooSlow.into())
    }

    async fn send(&self, message: Message, held: Held) -> Result<(), Status> {
        let message = Outgoing::holding(WatchSessionsResponse { message: Some(message) }, held);
        match self.messages.send_timeout(message, MAX_STALL).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(Refusal::WatcherTooSlow.into()),
            // Nobody will see it.
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Status::cancelled("the watcher is gone")),
        }
    }
}

fn to_proto(mut event: Event, include_attributes: bool) -> SessionEvent {
    if !include_attributes {
        event.record.attributes.clear();
    }
    SessionEvent {
        kind: kind_to_proto(event.kind).into(),
        event_time: Some(timestamp(event.time)),
        session: session(&event.record),
        resume_token: resume_token(event.sequence),
    }
}

/// The token of the point behind an event.
pub(in crate::service) fn resume_token(sequence: u64) -> String {
    ResumeToken { sequence }.to_string()
}

fn kind_to_proto(kind: EventKind) -> proto::EventKind {
    match kind {
        EventKind::Created => proto::EventKind::Created,
        EventKind::Updated => proto::EventKind::Updated,
        EventKind::Rotated => proto::EventKind::Rotated,
        EventKind::Deleted => proto::EventKind::Deleted,
        EventKind::Expired => proto::EventKind::Expired,
        EventKind::Revoked => proto::EventKind::Revoked,
    }
}
