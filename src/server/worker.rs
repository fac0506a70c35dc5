//! The threads that serve connections: one current-thread runtime each, so that a request never changes threads.

use super::connection::{Connection, Place};
use super::health::{HealthService, Phase};
use super::limit::InFlightLimit;
use super::listener::Accepted;
use crate::config::Settings;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::admin_server::AdminServer;
use crate::proto::session_store_server::SessionStoreServer;
use crate::service::{AdminService, StoreService};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

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
    pub(super) in_flight: InFlightLimit,
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

async fn serve(service: Service, accepted: mpsc::Receiver<(Accepted, Place)>) {
    let settings = Arc::clone(&service.settings);
    let connections = ReceiverStream::new(accepted).map(|(accepted, place)| Connection::adopt(accepted, place));
    let reflection = settings.reflection.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .expect("the descriptors were made by the build")
    });
    let store = SessionStoreServer::new(service.store)
        .max_decoding_message_size(settings.max_message_size)
        .max_encoding_message_size(settings.max_message_size);

    let draining = |mut phase: watch::Receiver<Phase>| async move {
        // Without a sender the server is gone, which ends the worker too.
        phase.wait_for(|phase| *phase == Phase::Draining).await.ok();
    };
    let served = Server::builder()
        .max_concurrent_streams(settings.max_streams_per_connection)
        .http2_max_header_list_size(settings.max_header_size)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .layer(service.in_flight)
        .add_service(HealthService::server(service.phase.clone(), service.sweeper_behind))
        .add_service(store)
        .add_service(AdminServer::new(service.admin))
        .add_optional_service(reflection)
        .serve_with_incoming_shutdown(connections, draining(service.phase.clone()));

    let out_of_time = async {
        draining(service.phase).await;
        tokio::time::sleep(settings.drain_timeout).await;
    };
    tokio::select! {
        result = served => if let Err(error) = result {
            tracing::error!(%error, "a worker stopped serving");
        },
        () = out_of_time => tracing::warn!("requests were still in flight when the drain-timeout ended; cutting them off"),
    }
}
