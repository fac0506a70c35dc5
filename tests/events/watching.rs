//! Watchers, and how to wait for what they are told.

use crate::common::LONG;
use sessiond_client::proto::WatchSessionsRequest;
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use std::time::Duration;
use tokio::time::timeout;

/// With checkpoints as often as they can come.
pub(crate) fn lively() -> WatchSessionsRequest {
    WatchSessionsRequest::new().checkpoint_interval(Duration::from_millis(100))
}

pub(crate) async fn next(watch: &mut Watch) -> Option<Result<WatchMessage, Error>> {
    timeout(LONG, watch.next()).await.expect("a message or a checkpoint comes")
}

/// Every event up to a sequence number.
pub(crate) async fn collect_to(watch: &mut Watch, sequence: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while watch.sequence() < sequence {
        match next(watch).await.unwrap().unwrap() {
            WatchMessage::Event(event) => events.push(event),
            WatchMessage::Checkpoint(_) => {}
        }
    }
    events
}

/// Every event so far.
pub(crate) async fn collect(client: &Client, watch: &mut Watch) -> Vec<Event> {
    let newest = client.statistics().await.unwrap().last_event_sequence;
    collect_to(watch, newest).await
}
