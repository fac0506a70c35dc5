//! Watchers, and how to wait for their events.

use crate::common::LONG;
use crate::common::tokens::sequence_in;
use sessiond_client::proto::WatchSessionsRequest;
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use std::time::Duration;
use tokio::time::timeout;

/// A watch with checkpoints as often as possible.
pub(crate) fn lively() -> WatchSessionsRequest {
    WatchSessionsRequest::new().checkpoint_interval(Duration::from_millis(100))
}

pub(crate) async fn next(watch: &mut Watch) -> Option<Result<WatchMessage, Error>> {
    timeout(LONG, watch.next()).await.expect("a message or a checkpoint comes")
}

/// Every event up to a sequence number.
pub(crate) async fn collect_to(watch: &mut Watch, sequence: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while sequence_in(watch.resume_token()) < sequence {
        match next(watch).await.unwrap().unwrap() {
            WatchMessage::Event(event) => events.push(event),
            WatchMessage::Checkpoint(_) => {}
        }
    }
    events
}

/// Every event so far.
pub(crate) async fn collect(client: &Client, watch: &mut Watch) -> Vec<Event> {
    let newest = sequence_in(&client.statistics().await.unwrap().resume_token);
    collect_to(watch, newest).await
}
