//! The web console: a page for operators in a browser, and the calls that the page makes.
//!
//! [`connection`] speaks HTTP with a peer. [`guard`] refuses what the console's own page does not send, [`page`] holds the page,
//! and [`api`] carries out its calls by the same services as those of gRPC: what a caller may do, what is told of calls and
//! most bounds are the same for both. [`request`] and [`answer`] are their JSON, [`events`] is the stream of events, and
//! [`refusal`] is an error.
//!
//! All of it runs on a thread of its own, so that a page takes nothing from workers.

mod answer;
mod api;
mod connection;
mod events;
mod guard;
mod page;
mod refusal;
mod request;

use super::connections::listener::Listener;
use super::connections::turns::Line;
use super::connections::worker::{Services, WorkerGauges};
use crate::service::CallCounts;
use guard::Hosts;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Connections at the same time. One more closes the oldest, so that peers that do nothing keep no operator out.
const MAX_CONNECTIONS: usize = 64;

/// Streams of events at the same time.
const MAX_STREAMS: usize = 16;

/// After a failed accept, for example with too many open files, the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is answered from, the same on each connection.
pub(in crate::server) struct Console {
    services: Services,
    /// The calls that the workers have carried out.
    workers: Vec<Arc<CallCounts>>,
    /// The connections and the calls of the console itself.
    gauges: WorkerGauges,
    hosts: Hosts,
    streams: Arc<Semaphore>,
}

/// The thread that serves the console.
pub(in crate::server) struct ConsoleServer {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Console {
    pub(in crate::server) fn new(services: Services, workers: Vec<Arc<CallCounts>>, gauges: WorkerGauges) -> Self {
        let hosts = Hosts::of(&services.settings);
        Self { services, workers, gauges, hosts, streams: Arc::new(Semaphore::new(MAX_STREAMS)) }
    }
}

impl ConsoleServer {
    /// Serves the console on this listener, until [`stop`](Self::stop) or until this is dropped.
    pub(in crate::server) fn start(listener: Listener, console: Console) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("console".into()).spawn(move || {
            runtime.block_on(serve_all(listener, Arc::new(console), stopped));
            // Streams that watch hold the engine until their tasks are gone.
            drop(runtime);
            // Nobody may wait for it.
            end.send(()).ok();
        })?;
        Ok(Self { stop, ended })
    }

    /// Ends all connections, after the answers that are on their way. Then nothing that they read from is held any more.
    pub(in crate::server) async fn stop(self) {
        self.stop.send(()).ok();
        // It ends after this in any case.
        self.ended.await.ok();
    }
}

async fn serve_all(listener: Listener, console: Arc<Console>, mut stopped: oneshot::Receiver<()>) {
    let (stop, stopping) = watch::channel(false);
    let line = Line::form();
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(accepted) => {
                oldest_first.retain(|connection| !connection.is_finished());
                if oldest_first.len() >= MAX_CONNECTIONS
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                let served = connection::serve(accepted, line.clone(), Arc::clone(&console), stopping.clone());
                oldest_first.push_back(connections.spawn(served));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection for the console failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
}
