//! Watching across lost connections.

use std::time::Duration;

use tokio::time::sleep;

use crate::client::Client;
use crate::error::Error;
use crate::events::{Watch, WatchMessage};
use crate::proto::WatchSessionsRequest;

/// The longest pause before the stream is begun again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A stream of events that goes on when its connection is lost. Dropping it ends it.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    request: WatchSessionsRequest,
    /// None while the connection is lost.
    watch: Option<Watch>,
    /// Attempts in vain since the last message.
    failures: u32,
}

impl Client {
    /// Watches what happens to sessions, like [`watch`](Self::watch), as long as it takes: a lost connection is made again, also
    /// to another process of the store, and the stream goes on after the last message. No event is left out, none comes twice.
    pub async fn follow(&self, request: WatchSessionsRequest) -> Result<Follow, Error> {
        let watch = self.watch(request.clone()).await?;
        let request = request.resume(watch.resume_token());
        Ok(Follow { client: self.clone(), request, watch: Some(watch), failures: 0 })
    }
}

impl Follow {
    /// Resumes the stream here, in this process or another: first the point at which it began, then that of the last message.
    #[must_use]
    pub fn resume_token(&self) -> &str {
        &self.request.resume_token
    }

    /// The next message. An error is one that no repetition mends, such as [`Error::EventsGone`]: then list the sessions, and
    /// follow from now on. Nothing is lost if the future is dropped. A stream whose token was revoked goes on with another
    /// one, if its file holds one.
    pub async fn next(&mut self) -> Result<WatchMessage, Error> {
        loop {
            if self.watch.is_none() && self.failures > 0 {
                sleep(self.client.retry().pause_after(self.failures).min(LONGEST_PAUSE)).await;
            }
            let was_open = self.watch.is_some();
            match self.message().await {
                Some(Ok(message)) => {
                    self.failures = 0;
                    return Ok(message);
                }
                // The token that the stream was opened with may have been replaced meanwhile.
                Some(Err(Error::Unauthenticated { .. })) if was_open => {
                    self.watch = None;
                    self.failures = self.failures.saturating_add(1);
                }
                Some(Err(error)) if !error.is_transient() => return Err(error),
                _ => {
                    self.watch = None;
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
    }

    async fn message(&mut self) -> Option<Result<WatchMessage, Error>> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            lost => match self.client.watch(self.request.clone()).await {
                Ok(watch) => lost.insert(watch),
                Err(error) => return Some(Err(error)),
            },
        };
        let message = watch.next().await;
        self.request.resume_token.clear();
        self.request.resume_token.push_str(watch.resume_token());
        message
    }
}
