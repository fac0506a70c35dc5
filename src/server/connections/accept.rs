//! Accepting connections on every address.

use super::listener::{Accepted, Listener};
use super::origin::Origin;
use super::refusal::Refusals;
use super::slots::{Slot, Slots};
use super::worker::Worker;
use crate::low_priority::LowPriority;
use crate::server::process::health::{Phase, draining};
use futures_util::FutureExt as _;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, timeout_at};

/// After a failed accept, for example with too many open files, the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// So many connections that the operating system has made already are taken from a listener when the server drains.
const LAST_CONNECTIONS: usize = 1_024;

/// The server waits so long for their slots, for all of them together.
const LAST_SLOT_WITHIN: Duration = Duration::from_millis(500);

/// The workers go first, which serve the connections that are there. Of a busy core new ones get a tenth.
const NICENESS: i32 = 10;

/// Accepts connections and hands each to the worker with the fewest, so that few connections don't share a core. When the server
/// drains, it takes the connections that wait on a listener, and ends. If they were closed instead, their peers would not know whether
/// what they have sent was carried out.
pub(in crate::server) fn accept(
    listeners: &[Arc<Listener>],
    workers: &Arc<Vec<Worker>>,
    slots: &Arc<Slots>,
    phase: &watch::Receiver<Phase>,
) -> io::Result<JoinSet<()>> {
    let thread = LowPriority::start("accept", NICENESS)?;
    let runtime = thread.runtime().clone();
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (listener, workers, slots) = (Arc::clone(listener), Arc::clone(workers), Arc::clone(slots));
        let drain = draining(phase.clone());
        let thread = thread.clone();
        let task = async move {
            // It lasts for as long as it has work.
            let _thread = thread;
            let mut waiting = accept_on(&listener, &workers, &slots, drain).await;
            let until = Instant::now() + LAST_SLOT_WITHIN;
            for _ in 0..LAST_CONNECTIONS {
                let next = waiting.take().or_else(|| listener.accept().now_or_never()?.ok());
                let Some(accepted) = next else { return };
                // Those that have one close now.
                let Ok(Some(slot)) = timeout_at(until, slots.take(Origin::of(&accepted))).await else { return };
                hand_over(&workers, accepted, slot).await;
                // Otherwise tokio would soon say that there are no more, so that other tasks run, too.
                yield_now().await;
            }
        };
        accepting.spawn_on(task, &runtime);
    }
    Ok(accepting)
}

/// Goes on until the server drains. Returns the connection that waits for a slot then.
async fn accept_on(
    listener: &Listener,
    workers: &[Worker],
    slots: &Arc<Slots>,
    drain: impl Future<Output = ()>,
) -> Option<Accepted> {
    let refusals = Refusals::new();
    let mut drain = pin!(drain);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut drain => return None,
        };
        match accepted {
            Ok(accepted) => {
                let origin = Origin::of(&accepted);
                if !slots.admits(origin) {
                    refusals.refuse(accepted);
                    continue;
                }
                // Above the limit, one connection waits here and the others in the operating system's queue.
                let slot = tokio::select! {
                    slot = slots.take(origin) => slot,
                    () = &mut drain => return Some(accepted),
                };
                hand_over(workers, accepted, slot?).await;
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn hand_over(workers: &[Worker], accepted: Accepted, slot: Slot) {
    if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
        worker.hand_over(accepted, slot).await;
    }
}
