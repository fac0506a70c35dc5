//! Running the server: listeners, workers, the engine's opening, health, and an orderly end.
//!
//! A connection comes in through [`connections`], perhaps over [`tls`], a call on it is carried out by [`calls`]. [`process`] is what the server
//! does beside that; [`peer_timeout`] says how long either may wait for a peer. [`metrics`] and [`console`] are ports of their
//! own, for those who watch the server and for operators with a browser.

mod calls;
mod connections;
mod console;
mod metrics;
mod peer_timeout;
mod process;
mod renewal;
mod tls;

pub use connections::listener::Listener;
pub use process::health::Phase;
pub use process::storage::Storage;
pub use tls::{Tls, TlsFiles, TlsProblem};

use crate::authorization::Authorizer;
use crate::call_record::Recorder;
use crate::clock::Clock;
use crate::config::Settings;
use crate::engine::{EngineError, EngineStatus};
use crate::service::{AdminService, Background, Bounds, Budget, CallerRules, RequestLimits, Restores, StoreService};
use crate::session::Policies;
use connections::accept::accept;
use connections::slots::Slots;
use connections::worker::{Services, Worker, WorkerGauges};
use console::{Console, ConsoleServer};
use futures_util::future::join_all;
use metrics::{MetricsServer, Sources};
use process::health::Vitals;
use process::policies::{maintenance_options, millis, policies};
use process::serving::{Launcher, Serving};
use process::timekeeper::TimeKeeper;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, watch};

/// Why the server ended otherwise than by request.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine can't be opened.
    #[error("the data can't be opened: {0}")]
    Open(EngineError),
    /// The engine failed for good.
    #[error("the storage has failed; a restart recovers every acknowledged change")]
    StorageFailed,
    /// The engine could not make the last changes durable.
    #[error("the last changes could not be written: {0}")]
    Close(EngineError),
    /// A restored backup could not take its place.
    #[error("the restored data could not be put in place: {0}")]
    Install(io::Error),
    /// Threads can't be started.
    #[error("a thread can't be started: {0}")]
    Thread(#[from] io::Error),
}

/// Where the server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For calls.
    pub calls: Vec<Listener>,
    /// What those of them that speak TLS are served with.
    pub tls: Option<Tls>,
    /// Who may call on all of them; `None` for everybody.
    pub authorizer: Option<Authorizer>,
    /// For metrics and probes.
    pub metrics: Option<Listener>,
    /// For the web console.
    pub console: Option<Listener>,
}

/// Serves on these listeners until `shutdown` resolves, then drains, makes everything durable and returns.
///
/// Opening the engine may take long. Meanwhile the listeners answer: health says that the server is not serving, and every
/// other call is refused as not ready. `ready` is called once sessions are served. Whoever listens to `phase_sender` hears what
/// the server can do, until it drains.
pub async fn run(
    Listeners { calls: listeners, tls, authorizer, metrics, console }: Listeners,
    storage: Storage,
    settings: Arc<Settings>,
    recorder: Recorder,
    phase_sender: watch::Sender<Phase>,
    ready: impl FnOnce(&[Arc<Listener>]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (drain, draining) = watch::channel(false);
    let (behind, sweeper_behind) = watch::channel(false);
    let policies = policies(&settings);
    let clock = Clock::system();
    let budget = Budget::new(bounds(&settings));
    let limits = request_limits(&settings, &policies);
    let callers = CallerRules { are_asked_for: authorizer.is_some(), max_failed_lookups: settings.max_failed_lookups };
    let store = StoreService::new(limits, Background::start()?, draining, callers, recorder.clone());
    // One restore at a time.
    let (swap_sender, mut swaps) = mpsc::channel(1);
    let started = clock.now();
    let services = Services {
        store: store.clone(),
        admin: AdminService::new(store.clone(), started, Restores::new(storage.restore_target(), swap_sender)),
        vitals: Vitals {
            phase: phase_sender.subscribe(),
            sweeper_behind,
            certificate_stale: tls.as_ref().map_or_else(|| watch::channel(false).1, Tls::staleness),
            access_stale: authorizer.as_ref().map_or_else(|| watch::channel(false).1, Authorizer::staleness),
        },
        budget: budget.clone(),
        settings: Arc::clone(&settings),
        tls: tls.clone(),
        authorizer: authorizer.clone(),
        recorder: recorder.clone(),
    };
    let _followed = follow_files(tls, authorizer, &recorder)?;
    let workers = (0..settings.workers).map(|number| Worker::start(number, services.clone()));
    let workers: Arc<Vec<Worker>> = Arc::new(workers.collect::<Result<_, _>>()?);
    let listeners: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
    let slots = Slots::new(settings.max_connections as usize, settings.max_connections_per_address as usize);
    let mut accepting = accept(&listeners, &workers, &slots, &phase_sender.subscribe())?;
    let sweeper_lag = Arc::new(AtomicU64::new(0));
    let gauges: Vec<WorkerGauges> = workers.iter().map(Worker::gauges).collect();
    let (console, of_console) = start_console(console, &services, &gauges)?.unzip();
    let lag = Arc::clone(&sweeper_lag);
    let sources = Sources { services, slots, workers: gauges, console: of_console, sweeper_lag: lag, started };
    let metrics = metrics.map(|listener| MetricsServer::start(listener, sources));

    tokio::pin!(shutdown);
    let launcher = Launcher {
        store,
        storage,
        clock,
        policies,
        maintenance: maintenance_options(&settings),
        lag_limit: millis(settings.sweep_interval + settings.sweep_lag_limit),
        sweeper_lag,
        sweeper_behind: behind,
    };
    let storage = launcher.storage.clone();
    let opening = tokio::task::spawn_blocking(move || storage.open());
    let engine = tokio::select! {
        opened = opening => opened.map_err(io::Error::other)?.map_err(ServeError::Open)?,
        // Nothing was acknowledged yet, and an interrupted opening is repaired by the next.
        () = &mut shutdown => return Ok(()),
    };
    let beginning = TimeKeeper::begin(&launcher.clock, &launcher.storage, &*engine, settings.clock_jump_limit);
    let timekeeper = tokio::select! {
        begun = beginning => begun.map_err(ServeError::Open)?,
        () = &mut shutdown => return engine.close().await.map_err(ServeError::Close),
    };
    let mut serving = launcher.serve(engine);
    // Before `ready`: whoever hears that the server is ready may ask for its health at once.
    phase_sender.send_replace(phase_of(&serving.engine.status().borrow()));
    ready(&listeners);

    loop {
        let failed = follow(serving.engine.status(), &phase_sender);
        let swap = tokio::select! {
            () = failed => return Err(ServeError::StorageFailed),
            () = &mut shutdown => break,
            Some(swap) = swaps.recv() => swap,
        };
        phase_sender.send_replace(Phase::Restoring);
        serving = launcher.swap(serving, swap).await?;
    }
    let Serving { engine, maintenance, sweeper_watch } = serving;

    tracing::info!("draining");
    phase_sender.send_replace(Phase::Draining);
    drain.send_replace(true);
    budget.drain();
    // There is no phase after this one: watchers are let go.
    drop((phase_sender, sweeper_watch, launcher));
    while accepting.join_next().await.is_some() {}
    // New connections are refused at once instead of waiting for a server that ends.
    drop(listeners);
    let end = async {
        // All at once: the drain-timeout is the same time for everybody.
        let workers = Arc::into_inner(workers).into_iter().flatten();
        tokio::join!(stop_console(console), join_all(workers.map(Worker::join)));
        maintenance.stop().await;
        timekeeper.stop().await;
        engine.close().await.map_err(ServeError::Close)
    };
    let mut status = engine.status();
    let ended = tokio::select! {
        ended = end => ended,
        // With a storage that is stuck, it would never end.
        _ = status.wait_for(|status| *status == EngineStatus::Failed) => Err(ServeError::StorageFailed),
    };
    // Probes are answered to the end. Nothing may hold the engine when this returns.
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    ended
}

/// Starts the console, if there is to be one. Returns what it tells of itself, too.
fn start_console(
    listener: Option<Listener>,
    services: &Services,
    workers: &[WorkerGauges],
) -> io::Result<Option<(ConsoleServer, WorkerGauges)>> {
    let Some(listener) = listener else { return Ok(None) };
    let gauges = WorkerGauges::default();
    let workers = workers.iter().map(|worker| Arc::clone(&worker.calls)).collect();
    let console = Console::new(services.clone(), workers, gauges.clone());
    Ok(Some((ConsoleServer::start(listener, console)?, gauges)))
}

async fn stop_console(console: Option<ConsoleServer>) {
    if let Some(console) = console {
        console.stop().await;
    }
}

/// Follows the files that may change while the server runs, until this is dropped.
fn follow_files(
    tls: Option<Tls>,
    authorizer: Option<Authorizer>,
    recorder: &Recorder,
) -> io::Result<impl Sized + use<>> {
    let audit = recorder.audit();
    Ok((
        tls.map(|tls| renewal::follow(tls.clone(), tls.seen(), audit.clone())).transpose()?,
        authorizer
            .map(|authorizer| renewal::follow(authorizer.clone(), authorizer.seen(), audit.clone()))
            .transpose()?,
        audit.reopen_at_hangup()?,
    ))
}

fn request_limits(settings: &Settings, policies: &Policies) -> RequestLimits {
    RequestLimits {
        max_attribute_name_bytes: settings.max_attribute_name_bytes,
        max_attributes: policies.iter().map(|policy| policy.max_attributes).max().unwrap_or_default(),
        max_message_bytes: settings.max_message_size,
        session_message_bytes: settings.session_message_size(),
    }
}

fn bounds(settings: &Settings) -> Bounds {
    Bounds {
        requests: settings.max_requests_in_flight as usize,
        bytes: settings.message_memory,
        connection_bytes: settings.message_memory_per_connection,
    }
}

/// Keeps the phase in line with the engine's status; returns when the engine has failed.
async fn follow(mut status: watch::Receiver<EngineStatus>, phase: &watch::Sender<Phase>) {
    loop {
        let now = status.borrow_and_update().clone();
        phase.send_replace(phase_of(&now));
        if now == EngineStatus::Failed || status.changed().await.is_err() {
            return;
        }
    }
}

fn phase_of(status: &EngineStatus) -> Phase {
    match status {
        EngineStatus::Ready => Phase::Serving,
        EngineStatus::LowSpace => Phase::ReadOnly,
        EngineStatus::Stalled => Phase::Stalled,
        EngineStatus::Failed => Phase::Failed,
    }
}
