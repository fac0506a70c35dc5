//! The port for those who watch the server: metrics for Prometheus, and health for probes that speak neither TLS nor know
//! a token.
//!
//! [`http`] speaks HTTP with a peer, [`probes`] judges the server's phase, [`text`] writes all metrics, from what
//! [`sources`] reads where it is counted. Nothing of this runs on a worker, and all that a peer can make it do is bounded:
//! see the constants here and in [`http`].

mod families;
mod http;
mod probes;
mod sources;
mod text;

pub(super) use sources::Sources;

use super::connections::listener::{Accepted, Listener};
use http::Answers;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;

/// Connections at the same time. One more closes the oldest, so that peers that do nothing keep no scrape out.
const MAX_CONNECTIONS: usize = 16;

/// After a failed accept, for example with too many open files, the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The task that answers on the port.
pub(super) struct MetricsServer {
    stop: oneshot::Sender<()>,
    task: AbortOnDropHandle<()>,
}

impl MetricsServer {
    /// Answers on this listener.
    pub(super) fn start(listener: Listener, sources: Sources) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = AbortOnDropHandle::new(tokio::spawn(answer_all(listener, Answers::new(sources), stopped)));
        Self { stop, task }
    }

    /// Ends all connections. After that nothing that they read from is held any more.
    pub(super) async fn stop(self) {
        self.stop.send(()).ok();
        // It ends after this in any case.
        self.task.await.ok();
    }
}

async fn answer_all(listener: Listener, answers: Answers, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted.and_then(adopt) {
            Ok(stream) => {
                oldest_first.retain(|connection| !connection.is_finished());
                if oldest_first.len() >= MAX_CONNECTIONS
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                oldest_first.push_back(connections.spawn(http::serve(stream, answers.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection for metrics failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.shutdown().await;
}

/// Attaches a connection to this runtime.
fn adopt(accepted: Accepted) -> io::Result<Either<TcpStream, UnixStream>> {
    Ok(match accepted {
        Accepted::Tcp(stream) | Accepted::Tls(stream) => Either::Left(TcpStream::from_std(stream)?),
        Accepted::Unix(stream, _) => Either::Right(UnixStream::from_std(stream)?),
    })
}
