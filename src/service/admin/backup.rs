//! Sending a backup.
//!
//! The background thread makes it as fast as the caller takes it. Whatever the size of the store, only a slice of sessions
//! and a few messages wait to be taken.

use crate::authorization::Caller;
use crate::backup::{BackupWriter, Cut, Opening, Saved, format_version};
use crate::encryption::KeyRing;
use crate::proto::{BackupResponse, BackupSummary};
use crate::service::convert::answer::timestamp;
use crate::service::errors::status::Refusal;
use crate::service::store::StoreService;
use crate::service::streams::answer_stream::{AnswerStream, MAX_STALL, Outgoing};
use crate::service::streams::watch::resume_token;
use crate::session::{BackupSink, BackupStopped};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

/// Messages that wait for the connection.
const BUFFER: usize = 4;

/// The bytes in one message, at most.
const MAX_PART: usize = 256 << 10;

impl StoreService {
    /// Begins a backup, which is encrypted if there are keys, and keeps its permit for as long as it takes.
    pub(super) fn back_up(
        &self,
        caller: Caller,
        permit: OwnedSemaphorePermit,
        keys: Option<&KeyRing>,
    ) -> Result<AnswerStream<BackupResponse>, Status> {
        let sessions = self.sessions()?;
        let (messages, receiver) = mpsc::channel(BUFFER);
        let opening = Opening {
            format_version: format_version(keys, sessions.may_hold_sealed()),
            server_version: env!("CARGO_PKG_VERSION").into(),
            begun: sessions.now(),
            expected_sessions: sessions.engine_statistics().sessions.values().sum(),
        };
        tracing::info!(sessions = opening.expected_sessions, "a backup begins");
        caller.note_begun();
        let sender = messages.clone();
        let writer = BackupWriter::new(&opening, keys);
        let work = async move {
            let mut sender = BackupSender { writer, messages: sender, expected: opening.expected_sessions, caller };
            let cut = sessions.backup(&mut sender).await?;
            sender.finish(&opening, &cut).await
        };
        Ok(self.stream_walk("a backup", permit, (messages, receiver), work))
    }
}

/// Sends the bytes of a backup.
struct BackupSender {
    writer: BackupWriter,
    messages: mpsc::Sender<Outgoing<BackupResponse>>,
    expected: u64,
    /// Who gets it.
    caller: Caller,
}

impl BackupSender {
    async fn send(&self, data: Bytes, summary: Option<BackupSummary>) -> Result<(), BackupStopped> {
        let (sessions, bytes) = (self.writer.sessions(), data.len() as u64);
        let message = BackupResponse { data, sessions_sent: sessions, sessions_expected: self.expected, summary };
        self.messages.send_timeout(message.into(), MAX_STALL).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => BackupStopped::TooSlow,
            mpsc::error::SendTimeoutError::Closed(_) => BackupStopped::Gone,
        })?;
        self.caller.note(|notes| {
            notes.sessions = Some(sessions);
            *notes.bytes.get_or_insert_default() += bytes;
        });
        Ok(())
    }

    async fn send_data(&self, mut data: Bytes) -> Result<(), BackupStopped> {
        while !data.is_empty() {
            let part = data.split_to(data.len().min(MAX_PART));
            self.send(part, None).await?;
        }
        Ok(())
    }

    async fn finish(mut self, opening: &Opening, cut: &Cut) -> Result<(), Status> {
        let size = self.writer.finish(cut);
        self.pass_on().await?;
        let summary = summary(opening, cut, size, (cut.sessions, cut.events));
        tracing::info!(sessions = cut.sessions, events = cut.events, bytes = size, "a backup is done");
        self.caller.note(|notes| notes.events = Some(cut.events));
        Ok(self.send(Bytes::new(), Some(summary)).await?)
    }
}

impl BackupSink for BackupSender {
    fn add(&mut self, saved: Saved) {
        self.writer.add(saved);
    }

    async fn pass_on(&mut self) -> Result<(), BackupStopped> {
        let data = self.writer.take();
        self.send_data(data).await
    }
}

/// The summary of a backup with so many sessions and events, or of what was restored from it.
pub(super) fn summary(opening: &Opening, cut: &Cut, size: u64, (sessions, events): (u64, u64)) -> BackupSummary {
    BackupSummary {
        format_version: opening.format_version,
        server_version: opening.server_version.clone(),
        begin_time: Some(timestamp(opening.begun)),
        backup_time: Some(timestamp(cut.moment)),
        sessions,
        events,
        size_bytes: size,
        damaged_sessions: cut.damaged_count,
        damaged_handles: cut.damaged.iter().map(ToString::to_string).collect(),
        events_damaged: cut.history_damaged,
        resume_token: resume_token(cut.last_event),
    }
}

impl From<BackupStopped> for Status {
    fn from(stopped: BackupStopped) -> Self {
        match stopped {
            BackupStopped::Failed(error) => error.into(),
            BackupStopped::TooSlow => Refusal::BackupTooSlow.into(),
            // Nobody will see it.
            BackupStopped::Gone => Status::cancelled("the caller is gone"),
        }
    }
}
