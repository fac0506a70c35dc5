//! The threads that serve connections: one current-thread runtime each, so that a request never changes threads.

use super::http2::{self, Broken};
use super::listener::Accepted;
use super::slots::Slot;
use super::socket::{Connection, WorkerLoad};
use super::turns::Line;
use crate::authorization::Authorizer;
use crate::call_record::Recorder;
use crate::config::Settings;
use crate::model::LARGEST_MESSAGE;
use crate::proto::admin_server::AdminServer;
use crate::proto::session_store_server::SessionStoreServer;
use crate::server::calls::call::Peer;
use crate::server::calls::caller::CallerSearch;
use crate::server::calls::reflection::Reflection;
use crate::server::calls::router::Router;
use crate::server::process::health::{HealthService, Vitals};
use crate::server::tls::Tls;
use crate::service::{AdminService, Budget, CallCounts, StoreService};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

/// At most so many accepted connections wait for one worker to take them.
const HANDOVER_QUEUE: usize = 128;

/// What every worker serves, and until when.
#[derive(Clone)]
pub(in crate::server) struct Services {
    pub(in crate::server) store: StoreService,
    pub(in crate::server) admin: AdminService,
    pub(in crate::server) vitals: Vitals,
    pub(in crate::server) budget: Budget,
    pub(in crate::server) settings: Arc<Settings>,
    /// What connections of listeners with TLS are served with.
    pub(in crate::server) tls: Option<Tls>,
    /// Who may call; `None` for everybody.
    pub(in crate::server) authorizer: Option<Authorizer>,
    /// Where calls are told of.
    pub(in crate::server) recorder: Recorder,
}

/// One serving thread.
pub(in crate::server) struct Worker {
    connections: mpsc::Sender<(Accepted, Slot, WorkerLoad)>,
    gauges: WorkerGauges,
    ended: oneshot::Receiver<()>,
}

/// What a worker tells of itself.
#[derive(Clone, Default)]
pub(in crate::server) struct WorkerGauges {
    /// How many connections it serves.
    pub(in crate::server) load: Arc<AtomicUsize>,
    /// The calls that it has carried out.
    pub(in crate::server) calls: Arc<CallCounts>,
}

impl Worker {
    pub(in crate::server) fn start(number: usize, service: Services) -> io::Result<Self> {
        let (connections, accepted) = mpsc::channel(HANDOVER_QUEUE);
        let (end, ended) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let gauges = WorkerGauges::default();
        let calls = Arc::clone(&gauges.calls);
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(serve(service, calls, accepted));
            // Connections that did not drain in time end with their runtime.
            drop(runtime);
            // After a failure elsewhere, nobody waits for it.
            end.send(()).ok();
        })?;
        Ok(Self { connections, gauges, ended })
    }

    /// How many connections the worker serves.
    pub(in crate::server) fn load(&self) -> usize {
        self.gauges.load.load(Ordering::Relaxed)
    }

    /// What the worker tells of itself, for longer than it lives.
    pub(in crate::server) fn gauges(&self) -> WorkerGauges {
        self.gauges.clone()
    }

    pub(super) async fn hand_over(&self, accepted: Accepted, slot: Slot) {
        // A worker ends only when nobody hands over any more.
        self.connections.send((accepted, slot, WorkerLoad::add_to(&self.gauges.load))).await.ok();
    }

    /// Waits until the worker has drained. The phase tells its connections to.
    pub(in crate::server) async fn join(self) {
        let Self { connections, ended, .. } = self;
        drop(connections);
        ended.await.ok();
    }
}

async fn serve(service: Services, calls: Arc<CallCounts>, mut accepted: mpsc::Receiver<(Accepted, Slot, WorkerLoad)>) {
    let settings = Arc::clone(&service.settings);
    let (phase, budget, tls) = (service.vitals.phase.clone(), service.budget.clone(), service.tls.clone());
    let (authorizer, recorder) = (service.authorizer.clone(), service.recorder.clone());
    let router = router(service);
    let (connections, line) = (TaskTracker::new(), Line::form());
    while let Some((accepted, slot, load)) = accepted.recv().await {
        let share = budget.share();
        let (tls, from) = (tls.clone().filter(|_| accepted.is_tls()), accepted.peer_address());
        let user = accepted.user();
        match Connection::adopt(accepted, load, line.clone(), Arc::clone(&share), settings.send_timeout) {
            Ok(connection) => {
                let (router, settings, counts) = (router.clone(), Arc::clone(&settings), Arc::clone(&calls));
                let caller = CallerSearch::new(authorizer.clone(), from, user, recorder.clone());
                let peer = Peer { router, share, slot: Arc::new(slot), counts, settings, caller };
                let served = http2::serve(connection, tls, peer, phase.clone());
                connections.spawn(async move {
                    let from = from.map(tracing::field::display);
                    match served.await {
                        Err(Broken::Tls(error)) => tracing::info!(%error, from, "a handshake of TLS failed"),
                        Err(error) => tracing::debug!(%error, from, "a connection ended badly"),
                        Ok(()) => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "a connection can't be served"),
        }
        // A crowd that connects does not keep those waiting who have connected.
        yield_now().await;
    }
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = tokio::time::sleep(settings.drain_timeout) => {
            tracing::warn!("requests were still in flight when the drain-timeout ended; cutting them off");
        }
    }
}

fn router(service: Services) -> Router {
    let Services { store, admin, vitals, settings, .. } = service;
    let reflection = settings.reflection.then(Reflection::new);
    let store = SessionStoreServer::new(store)
        .max_decoding_message_size(settings.max_message_size)
        // A session that was stored under larger limits can still be read.
        .max_encoding_message_size(settings.max_message_size.max(LARGEST_MESSAGE));
    let health = HealthService::server(vitals);
    Router { store, admin: AdminServer::new(admin), health, reflection }
}
