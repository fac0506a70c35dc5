//! Backups, and restoring them.

use bytes::Bytes;
use tonic::codegen::tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use crate::client::{Attempt, Client, authorized};
use crate::error::Error;
use crate::proto::admin_client::AdminClient;
use crate::proto::{BackupRequest, BackupResponse, BackupSummary, RestoreRequest};

/// The bytes of a backup, as they come. Dropping it ends it and leaves nothing behind on the server.
///
/// The backup is whole only once [`summary`](Self::summary) says something.
#[derive(Debug)]
pub struct Backup {
    stream: Streaming<BackupResponse>,
    client: Client,
    sessions: (u64, u64),
    summary: Option<BackupSummary>,
}

impl Backup {
    /// The next bytes, which may be none; `None` at the end. A stream that ends before its summary is an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        match self.stream.message().await {
            Ok(Some(response)) => {
                self.sessions = (response.sessions_sent, response.sessions_expected);
                self.summary = response.summary;
                Some(Ok(response.data))
            }
            Ok(None) if self.summary.is_some() => None,
            Ok(None) => Some(Err(Error::incomplete(self.client.address()))),
            Err(status) => Some(Err(self.client.stream_error(&status))),
        }
    }

    /// How many sessions have come, and about how many there are; one that changed meanwhile counts again.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        self.sessions
    }

    /// What the backup holds, once all of it has come.
    #[must_use]
    pub fn summary(&self) -> Option<&BackupSummary> {
        self.summary.as_ref()
    }
}

impl Client {
    /// Begins a backup of all sessions and events, of every namespace, as they are at one moment. Beginning it has the
    /// deadline of a call; the stream itself has none.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let begin = |attempt: Attempt<'_>| {
            let (mut stub, request) = (AdminClient::new(attempt.channel()), attempt.request(BackupRequest {}));
            async move { Ok(stub.backup(request).await?.into_inner()) }
        };
        let stream = self.repeat(None, begin).await.map_err(|status: Status| self.error(&status))?;
        Ok(Backup { stream, client: self.clone(), sessions: (0, 0), summary: None })
    }

    /// Restores a backup into a server that holds nothing. `parts` are its bytes in their order, each part at most 1 MiB;
    /// if they end too early, nothing is restored. There is no deadline, and nothing is repeated.
    pub async fn restore(&self, parts: impl Stream<Item = Bytes> + Send + 'static) -> Result<BackupSummary, Error> {
        let requests = parts.map(|data| RestoreRequest { data });
        // What has been sent can't be sent again with another token.
        if let Some(tokens) = self.tokens() {
            tokens.look().await;
        }
        let answer = AdminClient::new(self.channel()).restore(authorized(requests, self.tokens())).await;
        let summary = answer.map_err(|status| self.stream_error(&status))?.into_inner().summary;
        summary.ok_or_else(|| Error::incomplete(self.address()))
    }
}
