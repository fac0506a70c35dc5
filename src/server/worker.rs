//! The threads that serve connections: one current-thread runtime each, so that a request never changes threads.

use super::connection::{Connection, Place};
use super::health::{HealthService, Phase};
use super::listener::Accepted;
use super::reflection::Reflection;
use super::router::Router;
use crate::config::Settings;
use crate::model::LARGEST_MESSAGE;
use crate::proto::admin_server::AdminServer;
use crate::proto::session_store_server::SessionStoreServer;
use crate::service::{AdminService, Places, StoreService};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

/// Accepted connections that may wait for one worker to take them.
const HANDOVER_QUEUE: usize = 128;

/// Finds out whether a silent peer is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// What every worker serves, and until when.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) store: StoreService,
    pub(super) admin: AdminService,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) sweeper_behind: watch::Receiver<bool>,
    pub(super) places: Places,
    pub(super) settings: Arc<Settings>,
}

/// One serving thread.
pub(super) struct Worker {
    connections: mpsc::Sender<(Accepted, Place)>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    pub(super) fn start(number: usize, service: Service) -> io::Result<Self> {
        let (connections, accepted) = mpsc::channel(HANDOVER_QUEUE);
        let (end, ended) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(serve(service, accepted));
            // Connections that did not drain in time end with their runtime.
            drop(runtime);
            // Nobody waits after a failure elsewhere.
            end.send(()).ok();
        })?;
        Ok(Self { connections, load: Arc::default(), ended })
    }

    /// How many connections the worker serves.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) async fn hand_over(&self, accepted: Accepted, permit: OwnedSemaphorePermit) {
        let place = Place::take(permit, Arc::clone(&self.load));
        // A worker that has ended is draining: the connection is closed.
        self.connections.send((accepted, place)).await.ok();
    }

    /// Waits until the worker has drained, which the phase tells it to do.
    pub(super) async fn join(self) {
        self.ended.await.ok();
    }
}

async fn serve(service: Service, mut accepted: mpsc::Receiver<(Accepted, Place)>) {
    let settings = Arc::clone(&service.settings);
    let draining = |mut phase: watch::Receiver<Phase>| async move {
        // Without a sender the server is gone, which ends the worker too.
        phase.wait_for(|phase| *phase == Phase::Draining).await.ok();
    };
    let phase = service.phase.clone();
    let http = http(&settings);
    let router = router(service);
    let connections = TaskTracker::new();
    let mut drain = pin!(draining(phase.clone()));
    loop {
        let (accepted, place) = tokio::select! {
            () = &mut drain => break,
            accepted = accepted.recv() => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
        };
        match Connection::adopt(accepted, place) {
            Ok(connection) => {
                let served = http.serve_connection(TokioIo::new(connection), router.clone());
                connections.spawn(see_through(served, draining(phase.clone())));
            }
            Err(error) => tracing::warn!(%error, "a connection can't be served"),
        }
    }
    // Those that wait to be served are closed.
    drop(accepted);
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = tokio::time::sleep(settings.drain_timeout) => {
            tracing::warn!("requests were still in flight when the drain-timeout ended; cutting them off");
        }
    }
}

/// Serves a connection to its end. When the server drains, no new request is taken from it.
async fn see_through(
    served: http2::Connection<TokioIo<Connection>, Router, TokioExecutor>,
    draining: impl Future<Output = ()>,
) {
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = draining => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

fn http(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(settings.max_header_size)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        // No client of gRPC asks for the date.
        .auto_date_header(false);
    http
}

fn router(service: Service) -> Router {
    let Service { store, admin, phase, sweeper_behind, places, settings } = service;
    let reflection = settings.reflection.then(Reflection::new);
    let store = SessionStoreServer::new(store)
        .max_decoding_message_size(settings.max_message_size)
        // A session that was stored under larger bounds can still be read.
        .max_encoding_message_size(settings.max_message_size.max(LARGEST_MESSAGE));
    let health = HealthService::server(phase, sweeper_behind);
    Router { store, admin: AdminServer::new(admin), health, reflection, places }
}
