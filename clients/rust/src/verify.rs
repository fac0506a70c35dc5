//! Checking what a server holds.

use tonic::{Status, Streaming};

use crate::client::{Attempt, Client};
use crate::error::Error;
use crate::proto::admin_client::AdminClient;
use crate::proto::{VerifyRequest, VerifyResponse, VerifySummary};

/// A check of the data of a running server, as it goes on. Dropping it ends the check.
///
/// The check is complete only once [`summary`](Self::summary) says something.
#[derive(Debug)]
pub struct Verification {
    stream: Streaming<VerifyResponse>,
    client: Client,
    summary: Option<VerifySummary>,
}

impl Verification {
    /// How far the check has come; `None` at the end. A stream that ends before its summary is an error.
    pub async fn next(&mut self) -> Option<Result<VerifyResponse, Error>> {
        match self.stream.message().await {
            Ok(Some(response)) => {
                self.summary.clone_from(&response.summary);
                Some(Ok(response))
            }
            Ok(None) if self.summary.is_some() => None,
            Ok(None) => Some(Err(Error::incomplete(self.client.address()))),
            Err(status) => Some(Err(self.client.stream_error(&status))),
        }
    }

    /// What the check found, once it is complete.
    #[must_use]
    pub fn summary(&self) -> Option<&VerifySummary> {
        self.summary.as_ref()
    }
}

impl VerifySummary {
    /// Whether everything that was looked at is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { damaged_sessions, unindexed_sessions, damaged_pages, damaged_events, .. } = self;
        [damaged_sessions, unindexed_sessions, damaged_pages, damaged_events].into_iter().all(|found| *found == 0)
    }
}

impl Client {
    /// Begins a check of all sessions, of every namespace, and of the history of events. Beginning it has the deadline of a
    /// call; the stream itself has none.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let begin = |attempt: Attempt<'_>| {
            let (mut stub, request) = (AdminClient::new(attempt.channel()), attempt.request(VerifyRequest {}));
            async move { Ok(stub.verify(request).await?.into_inner()) }
        };
        let stream = self.repeat(None, begin).await.map_err(|status: Status| self.error(&status))?;
        Ok(Verification { stream, client: self.clone(), summary: None })
    }
}
