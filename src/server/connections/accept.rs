//! Accepting connections on every address.

use super::listener::Listener;
use super::slots::Seats;
use super::worker::Worker;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// After a failed accept (too many open files, say) the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections and hands each to the worker with the fewest: few connections must not share a core.
pub(in crate::server) fn accept(
    listeners: &[Arc<Listener>],
    workers: &Arc<Vec<Worker>>,
    max_connections: u32,
) -> JoinSet<()> {
    let seats = Seats::new(max_connections as usize);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (listener, workers, seats) = (Arc::clone(listener), Arc::clone(workers), Arc::clone(&seats));
        accepting.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(accepted) => {
                        // Above the limit one connection waits here, and the others in the operating system's queue.
                        let Some(seat) = seats.take().await else {
                            return;
                        };
                        if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                            worker.hand_over(accepted, seat).await;
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
