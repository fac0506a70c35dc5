//! Receiving a backup and restoring it.
//!
//! The new data is built beside the data in use while the server goes on. Then the server is asked to swap the two.

use super::AdminService;
use super::backup::summary;
use crate::authorization::Caller;
use crate::backup::{Built, Restored, restore};
use crate::encryption::KeyRing;
use crate::engine::{DataFolder, DurableOptions, EngineStatistics};
use crate::proto::{RestoreRequest, RestoreResponse};
use crate::service::errors::grpc;
use crate::service::errors::status::{Refusal, restore_failure};
use crate::service::store::until_drained;
use crate::service::streams::answer_stream::MAX_STALL;
use bytes::{Buf, Bytes};
use std::io::{self, Read};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;
use tonic::{Status, Streaming};

/// Messages of the caller that wait to be stored.
const BUFFER: usize = 4;

/// How backups are restored into the server. Cheap to clone.
#[derive(Clone)]
pub struct Restores {
    /// The folder, and how its engine is opened; `None` if sessions are in memory only.
    target: Option<(DataFolder, DurableOptions)>,
    swaps: mpsc::Sender<Swap>,
}

/// Asks the server to serve what was built.
pub struct Swap {
    /// What was built.
    pub built: Built,
    /// Told whether it is served now.
    pub done: oneshot::Sender<Result<Restored, Refusal>>,
}

impl Restores {
    /// Restores into this folder; what was built goes to whoever serves `swaps`.
    #[must_use]
    pub fn new(target: Option<(DataFolder, DurableOptions)>, swaps: mpsc::Sender<Swap>) -> Self {
        Self { target, swaps }
    }

    /// The keys under which backups are encrypted.
    pub(super) fn keys(&self) -> Option<&KeyRing> {
        self.target.as_ref()?.1.keys.as_ref()
    }

    /// Refuses unless the engine holds nothing that a restore would lose.
    pub fn require_empty(statistics: &EngineStatistics) -> Result<(), Refusal> {
        if statistics.sessions.is_empty() && statistics.events == 0 { Ok(()) } else { Err(Refusal::NotEmpty) }
    }
}

impl AdminService {
    pub(super) async fn restore_backup(
        &self,
        caller: Caller,
        permit: OwnedSemaphorePermit,
        received: Streaming<RestoreRequest>,
    ) -> Result<RestoreResponse, Status> {
        let (folder, options) = self.restores.target.clone().ok_or(Refusal::InMemory)?;
        Restores::require_empty(&self.store.sessions()?.engine_statistics())?;
        tracing::info!("restoring a backup");
        caller.note_begun();
        let (parts, source) = mpsc::channel(BUFFER);
        let building = tokio::task::spawn_blocking(move || {
            let source = Source { parts: source, part: Bytes::new() };
            // The permit is kept for as long as something is built, also if the caller is gone.
            (restore(source, &folder, &options), permit)
        });
        let received = tokio::select! {
            () = until_drained(self.store.draining.clone()) => Err(Refusal::NotReady.into()),
            received = receive(&caller, received, parts) => received,
        };
        // Also what ends early is awaited: a caller that was told so can restore again at once.
        let (built, _permit) = building.await.map_err(|_| Refusal::NotReady)?;
        received?;
        let built = built.map_err(|error| restore_failure(&error))?;
        let (done, answered) = oneshot::channel();
        // A server that is ending does not answer.
        self.restores.swaps.send(Swap { built, done }).await.map_err(|_| Refusal::NotReady)?;
        let Restored { backup, sessions, events } = answered.await.map_err(|_| Refusal::NotReady)??;
        tracing::info!(sessions, events, "restored a backup");
        caller.note(|notes| (notes.sessions, notes.events) = (Some(sessions), Some(events)));
        Ok(RestoreResponse { summary: Some(summary(&backup.opening, &backup.cut, backup.bytes, (sessions, events))) })
    }
}

/// Passes on what the caller sends, to its end or until the reader has stopped.
async fn receive(
    caller: &Caller,
    mut received: Streaming<RestoreRequest>,
    parts: mpsc::Sender<Bytes>,
) -> Result<(), Status> {
    loop {
        let message = timeout(MAX_STALL, received.message()).await.map_err(|_| Refusal::BackupTooSlow)?;
        match message.map_err(grpc::of_stream)? {
            Some(RestoreRequest { data }) => {
                caller.note(|notes| *notes.bytes.get_or_insert_default() += data.len() as u64);
                if parts.send(data).await.is_err() {
                    // Something is wrong with the backup: the task that reads it says what.
                    return Ok(());
                }
            }
            None => return Ok(()),
        }
    }
}

/// What was received, for a reader that blocks.
struct Source {
    parts: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
