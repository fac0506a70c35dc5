//! Checking the server's data, and telling how far the check has come.

use crate::authorization::Caller;
use crate::backup::MAX_NAMED;
use crate::clock::Millis;
use crate::model::Handle;
use crate::proto::{VerifyResponse, VerifySummary};
use crate::service::convert::answer::timestamp;
use crate::service::store::StoreService;
use crate::service::streams::answer_stream::{AnswerStream, MAX_STALL};
use crate::session::Verification;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tonic::Status;

/// Messages that wait for the connection.
const BUFFER: usize = 4;

/// The shortest time between two messages that tell how far the check has come.
const TELL_EVERY: Duration = Duration::from_millis(200);

impl StoreService {
    /// Begins a check, which keeps its permit for as long as it takes.
    pub(in crate::service) fn verify(
        &self,
        caller: Caller,
        permit: OwnedSemaphorePermit,
    ) -> Result<AnswerStream<VerifyResponse>, Status> {
        let sessions = self.sessions()?;
        let (messages, receiver) = mpsc::channel(BUFFER);
        let statistics = sessions.engine_statistics();
        let expected = (statistics.sessions.values().sum(), statistics.events);
        let began = sessions.now();
        tracing::info!(sessions = expected.0, events = expected.1, "a check of the data begins");
        caller.note_begun();
        let sender = messages.clone();
        let walk = async move {
            let mut told: Option<Instant> = None;
            let found = sessions
                .verify(|found| {
                    note(&caller, found);
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        told = Some(Instant::now());
                        // A caller that reads slowly is told less often.
                        sender.try_send(response(found, expected, None).into()).ok();
                    }
                })
                .await?;
            report(&found);
            note(&caller, &found);
            let summary = summary(&found, began, sessions.now());
            let last = sender.send_timeout(response(&found, expected, Some(summary)).into(), MAX_STALL).await;
            last.map_err(|_| Status::cancelled("the caller does not read the result"))
        };
        Ok(self.stream_walk("a check of the data", permit, (messages, receiver), walk))
    }
}

fn response(found: &Verification, expected: (u64, u64), summary: Option<VerifySummary>) -> VerifyResponse {
    VerifyResponse {
        sessions_checked: found.checked(),
        sessions_expected: expected.0,
        events_checked: found.events,
        events_expected: expected.1,
        summary,
    }
}

fn note(caller: &Caller, found: &Verification) {
    caller.note(|notes| (notes.sessions, notes.events) = (Some(found.checked()), Some(found.events)));
}

fn report(found: &Verification) {
    let (sessions, events) = (found.sessions, found.events);
    if found.is_whole() {
        tracing::info!(sessions, events, "a check of the data is done: everything is whole");
    } else {
        tracing::error!(
            sessions,
            events,
            damaged_sessions = found.damaged.len(),
            unindexed_sessions = found.unindexed.len(),
            damaged_pages = found.damaged_pages,
            damaged_events = found.damaged_events,
            "a check of the data has found damage"
        );
    }
}

fn summary(found: &Verification, began: Millis, ended: Millis) -> VerifySummary {
    VerifySummary {
        begin_time: Some(timestamp(began)),
        end_time: Some(timestamp(ended)),
        sessions: found.sessions,
        damaged_sessions: found.damaged.len() as u64,
        damaged_handles: names(&found.damaged),
        unindexed_sessions: found.unindexed.len() as u64,
        unindexed_handles: names(&found.unindexed),
        damaged_pages: found.damaged_pages,
        events: found.events,
        damaged_events: found.damaged_events,
    }
}

/// The first handles, in text form.
fn names(handles: &BTreeSet<Handle>) -> Vec<String> {
    handles.iter().take(MAX_NAMED).map(ToString::to_string).collect()
}
