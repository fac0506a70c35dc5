//! What watchers have seen, session by session.

use crate::common::tokens::{sequence_in, token_of};
use sessiond_client::proto::{EventKind, WatchSessionsRequest};
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The events of all namespaces that were seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<Seen>>);

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Everything up to this sequence number was seen.
    pub(crate) sequence: u64,
    /// By namespace and handle: what happened, and the version.
    pub(crate) sessions: HashMap<(String, String), Vec<(EventKind, u64)>>,
    /// By principal: what happened to sessions that are alone with theirs.
    pub(crate) principals: HashMap<String, Vec<EventKind>>,
    /// Events that came out of order.
    pub(crate) disorder: Vec<String>,
}

impl History {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch after what was seen.
    pub(crate) async fn resume(&self, client: &Client) -> Result<Watch, Error> {
        let sequence = self.seen().sequence;
        client.watch(WatchSessionsRequest::new().all_namespaces().resume(token_of(sequence))).await
    }

    /// Notes what the watch tells until an event for which `last` holds; false if the watch ends before.
    pub(crate) async fn read_until(&self, watch: &mut Watch, last: impl Fn(&Event) -> bool) -> bool {
        loop {
            match watch.next().await {
                Some(Ok(WatchMessage::Event(event))) => {
                    let is_last = last(&event);
                    self.note(event);
                    if is_last {
                        return true;
                    }
                }
                Some(Ok(WatchMessage::Checkpoint(_))) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }

    fn note(&self, event: Event) {
        let mut seen = self.seen();
        let Event { resume_token, kind, session, .. } = event;
        let sequence = sequence_in(&resume_token);
        if sequence <= seen.sequence {
            let disorder = format!("event {sequence} came after {}", seen.sequence);
            seen.disorder.push(disorder);
        }
        seen.sequence = sequence;
        seen.sessions.entry((session.namespace, session.handle)).or_default().push((kind, session.version));
        if !session.principal.is_empty() {
            seen.principals.entry(session.principal).or_default().push(kind);
        }
    }
}
