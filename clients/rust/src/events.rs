//! Watching what happens to sessions.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tonic::Streaming;
use tonic::codegen::tokio_stream::Stream;

use crate::client::{Attempt, Client, store};
use crate::convert::{Complete, duration};
use crate::error::Error;
use crate::proto::watch_sessions_response::Message;
use crate::proto::{Checkpoint, EventKind, Session, SessionEvent, WatchSessionsRequest, WatchSessionsResponse};
use crate::{Address, Timestamp};

impl WatchSessionsRequest {
    /// Every event of the namespace, from now on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events of every namespace.
    #[must_use]
    pub fn all_namespaces(mut self) -> Self {
        self.namespace = String::new();
        self.all_namespaces = true;
        self
    }

    /// Only events of sessions that belong to this principal at the event.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }

    /// Only events of this kind, and of others that are named so.
    #[must_use]
    pub fn kind(mut self, kind: EventKind) -> Self {
        self.kinds.push(kind.into());
        self
    }

    /// Resumes where this token was sent, by an event, a checkpoint or a backup, instead of beginning now.
    #[must_use]
    pub fn resume(mut self, token: impl Into<String>) -> Self {
        self.resume_token = token.into();
        self
    }

    /// The last attributes with deleted, expired and revoked events, where the namespace keeps them.
    #[must_use]
    pub fn include_attributes(mut self) -> Self {
        self.include_attributes = true;
        self
    }

    /// How often a checkpoint comes while there is nothing else: 100 ms to 1 h; 10 s at first.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.checkpoint_interval = Some(duration(interval));
        self
    }
}

/// What happened to a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Resumes a stream after this event; it also names the event. Opaque.
    pub resume_token: String,
    /// What happened; [`EventKind::Unspecified`] if it is of a kind that this client does not know.
    pub kind: EventKind,
    /// When it was carried out.
    pub event_time: Timestamp,
    /// The session after the event; before it, if the event ended the session.
    pub session: Session,
}

/// One message of a [`Watch`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every message is an event")]
pub enum WatchMessage {
    /// Something happened.
    Event(Event),
    /// A sign of life, and the resume token of a point: every event so far that the filter lets through was sent.
    Checkpoint(String),
}

/// A stream of events. Dropping it ends it.
///
/// It has no deadline. When it ends, by an error or without one, watch again and [`resume`](WatchSessionsRequest::resume)
/// with its [`resume_token`](Watch::resume_token); nothing is missed as long as the server keeps the events.
/// [`Client::follow`] does so by itself.
#[derive(Debug)]
pub struct Watch {
    stream: Streaming<WatchSessionsResponse>,
    client: Client,
    resume_token: String,
}

impl Watch {
    /// Resumes the stream here: first the point at which it began, then that of the last message.
    #[must_use]
    pub fn resume_token(&self) -> &str {
        &self.resume_token
    }

    /// The next message; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Option<Result<WatchMessage, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Watch {
    type Item = Result<WatchMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(status)) => return Poll::Ready(Some(Err(self.client.stream_error(&status)))),
                Some(Ok(response)) => response.message,
            };
            let message = match message {
                Some(Message::Event(event)) => event.complete(self.client.address()).map(WatchMessage::Event),
                Some(Message::Checkpoint(Checkpoint { resume_token })) => Ok(WatchMessage::Checkpoint(resume_token)),
                // A message of a kind that this client does not know.
                None => continue,
            };
            if let Ok(WatchMessage::Event(Event { resume_token, .. }) | WatchMessage::Checkpoint(resume_token)) =
                &message
            {
                self.resume_token.clone_from(resume_token);
            }
            return Poll::Ready(Some(message));
        }
    }
}

impl Complete for SessionEvent {
    type Answer = Event;

    fn complete(self, address: &Address) -> Result<Event, Error> {
        let kind = self.kind();
        let (Some(event_time), Some(session)) = (self.event_time, self.session) else {
            return Err(Error::incomplete(address));
        };
        Ok(Event { resume_token: self.resume_token, kind, event_time, session })
    }
}

impl Client {
    /// Watches what happens to sessions. The stream has begun when the answer is there: it misses nothing from then on.
    /// Beginning it has the deadline of a call; the stream itself has none.
    pub async fn watch(&self, mut request: WatchSessionsRequest) -> Result<Watch, Error> {
        if !request.all_namespaces {
            self.fill_namespace(&mut request.namespace);
        }
        // The deadline is not sent along: the server would end the stream then.
        let begin = |attempt: Attempt<'_>| {
            let (mut stub, request) = (store(attempt.channel()), attempt.request(request.clone()));
            async move {
                let mut stream = stub.watch_sessions(request).await?.into_inner();
                let first = stream.message().await?;
                Ok((stream, first))
            }
        };
        let (stream, first) = self.repeat(None, begin).await.map_err(|status| self.error(&status))?;
        match first.and_then(|first| first.message) {
            Some(Message::Checkpoint(Checkpoint { resume_token })) => {
                Ok(Watch { stream, client: self.clone(), resume_token })
            }
            _ => Err(Error::incomplete(self.address())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_complete_or_refused() {
        let address = "127.0.0.1:50051".parse().expect("an address");
        let event = SessionEvent {
            resume_token: "seven".to_owned(),
            kind: EventKind::Revoked.into(),
            event_time: Some(Timestamp::default()),
            session: Some(Session::default()),
        };
        let complete = event.clone().complete(&address).expect("nothing is missing");
        assert_eq!((complete.resume_token.as_str(), complete.kind), ("seven", EventKind::Revoked));
        let unknown = SessionEvent { kind: 1_000, ..event.clone() };
        let kind = unknown.complete(&address).expect("nothing is missing").kind;
        assert_eq!(kind, EventKind::Unspecified);
        let without_session = SessionEvent { session: None, ..event };
        assert_eq!(without_session.complete(&address), Err(Error::incomplete(&address)));
    }
}
