//! Accepting connections on every address.

use super::listener::Listener;
use super::slots::Slots;
use super::worker::Worker;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// After a failed accept, for example with too many open files, the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections and hands each to the worker with the fewest, so that few connections don't share a core.
pub(in crate::server) fn accept(
    listeners: &[Arc<Listener>],
    workers: &Arc<Vec<Worker>>,
    max_connections: u32,
) -> JoinSet<()> {
    let slots = Slots::new(max_connections as usize);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (listener, workers, slots) = (Arc::clone(listener), Arc::clone(workers), Arc::clone(&slots));
        accepting.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(accepted) => {
                        // Above the limit, one connection waits here and the others in the operating system's queue.
                        let Some(slot) = slots.take().await else {
                            return;
                        };
                        if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                            worker.hand_over(accepted, slot).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
    }
    accepting
}
