//! Running the server: listeners, workers, the engine's opening, health, and an orderly end.

mod connection;
mod deadline;
mod health;
mod listener;
mod open;
mod reflection;
mod router;
mod storage;
mod sweeper_watch;
mod timekeeper;
mod worker;

pub use listener::Listener;
pub use storage::Storage;

use crate::clock::{Clock, Millis};
use crate::config::{self, PolicySettings, Settings};
use crate::engine::{EngineError, EngineStatus};
use crate::service::{AdminService, Background, Places, RequestLimits, Restores, StoreService};
use crate::session::{AtSessionLimit, HistoryBounds, Policies, Policy, UpkeepOptions};
use health::Phase;
use open::{Open, Serving};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use timekeeper::TimeKeeper;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use worker::{Service, Worker};

/// After a failed accept (too many open files, say) the server waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the server ended otherwise than by request.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine can't be opened.
    #[error("the data can't be opened: {0}")]
    Open(EngineError),
    /// The engine failed for good.
    #[error("the storage has failed; a restart recovers what was acknowledged")]
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

/// Serves on these listeners until `shutdown` resolves, then drains, makes everything durable and returns.
///
/// The listeners answer while the engine is being opened, which may take long: health says that the server is not serving, and
/// every other call is refused as not ready. `ready` is called once sessions are served.
pub async fn run(
    listeners: Vec<Listener>,
    storage: Storage,
    settings: Arc<Settings>,
    ready: impl FnOnce(&[Arc<Listener>]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (phase_sender, phase) = watch::channel(Phase::Starting);
    let (drain, draining) = watch::channel(false);
    let (behind, sweeper_behind) = watch::channel(false);
    let policies = policies(&settings);
    let clock = Clock::system();
    let places = Places::new(settings.max_requests_in_flight as usize);
    let store = StoreService::new(
        RequestLimits {
            max_attribute_name_bytes: settings.max_attribute_name_bytes,
            max_attributes: policies.iter().map(|policy| policy.max_attributes).max().unwrap_or_default(),
            max_message_bytes: settings.max_message_size,
            session_message_bytes: settings.session_message_size(),
        },
        places.clone(),
        Background::start()?,
        draining,
    );
    // One restore at a time.
    let (swap_sender, mut swaps) = mpsc::channel(1);
    let service = Service {
        store: store.clone(),
        admin: AdminService::new(store.clone(), clock.now(), Restores::new(storage.restore_target(), swap_sender)),
        phase,
        sweeper_behind,
        places,
        settings: Arc::clone(&settings),
    };
    let workers = (0..settings.workers).map(|number| Worker::start(number, service.clone()));
    let workers: Arc<Vec<Worker>> = Arc::new(workers.collect::<Result<_, _>>()?);
    let listeners: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
    let mut accepting = accept(&listeners, &workers, settings.max_connections);

    tokio::pin!(shutdown);
    let lag_limit = millis(settings.sweep_interval + settings.sweep_lag_limit);
    let serving = Serving {
        store,
        storage,
        clock,
        policies,
        upkeep: upkeep_options(&settings),
        lag_limit,
        sweeper_behind: behind,
    };
    let storage = serving.storage.clone();
    let opening = tokio::task::spawn_blocking(move || storage.open());
    let engine = tokio::select! {
        opened = opening => opened.map_err(io::Error::other)?.map_err(ServeError::Open)?,
        // Nothing was acknowledged yet, and an interrupted opening is repaired by the next.
        () = &mut shutdown => return Ok(()),
    };
    let beginning = TimeKeeper::begin(&serving.clock, &serving.storage, &*engine, settings.clock_jump_limit);
    let timekeeper = tokio::select! {
        begun = beginning => begun.map_err(ServeError::Open)?,
        () = &mut shutdown => return engine.close().await.map_err(ServeError::Close),
    };
    let mut open = serving.serve(engine);
    // Before anyone is told: who hears that the server is ready may ask its health at once.
    phase_sender.send_replace(phase_of(&open.engine.status().borrow()));
    ready(&listeners);

    loop {
        let failed = follow(open.engine.status(), &phase_sender);
        let swap = tokio::select! {
            () = failed => return Err(ServeError::StorageFailed),
            () = &mut shutdown => break,
            Some(swap) = swaps.recv() => swap,
        };
        phase_sender.send_replace(Phase::Restoring);
        open = serving.swap(open, swap).await?;
    }
    let Open { engine, upkeep, sweeper_watch } = open;

    tracing::info!("draining");
    phase_sender.send_replace(Phase::Draining);
    drain.send_replace(true);
    // There is no phase after this one: watchers are let go.
    drop((phase_sender, sweeper_watch, serving));
    accepting.shutdown().await;
    // Whoever comes now is refused at once instead of waiting for a server that ends.
    drop(listeners);
    let end = async {
        for worker in Arc::into_inner(workers).into_iter().flatten() {
            worker.join().await;
        }
        upkeep.stop().await;
        timekeeper.stop().await;
        engine.close().await.map_err(ServeError::Close)
    };
    let mut status = engine.status();
    tokio::select! {
        ended = end => ended,
        // A storage that is stuck would never let it end.
        _ = status.wait_for(|status| *status == EngineStatus::Failed) => Err(ServeError::StorageFailed),
    }
}

/// Accepts connections and hands each to the worker with the fewest: few connections must not share a core.
fn accept(listeners: &[Arc<Listener>], workers: &Arc<Vec<Worker>>, max_connections: u32) -> JoinSet<()> {
    let places = Arc::new(Semaphore::new(max_connections as usize));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (listener, workers, places) = (Arc::clone(listener), Arc::clone(workers), Arc::clone(&places));
        accepting.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(accepted) => {
                        // Above the limit one connection waits here, and the others in the operating system's queue.
                        let Ok(permit) = Arc::clone(&places).acquire_owned().await else {
                            return;
                        };
                        if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                            worker.hand_over(accepted, permit).await;
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

/// Lets the phase follow the engine's status; returns when the engine has failed.
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
        EngineStatus::Stalled | EngineStatus::Failed => Phase::Failing,
    }
}

fn policies(settings: &Settings) -> Policies {
    let namespaces = settings.namespaces.iter();
    Policies {
        default: policy(&settings.policy),
        namespaces: namespaces.map(|(name, settings)| (name.clone(), policy(settings))).collect(),
    }
}

fn policy(settings: &PolicySettings) -> Policy {
    Policy {
        idle_timeout: millis(settings.idle_timeout),
        absolute_timeout: settings.absolute_timeout.map(millis),
        max_idle_timeout: millis(settings.max_idle_timeout),
        max_absolute_timeout: settings.max_absolute_timeout.map(millis),
        max_session_bytes: settings.max_session_size,
        max_attributes: settings.max_attributes,
        max_sessions_per_principal: settings.max_sessions_per_principal,
        at_session_limit: match settings.at_session_limit {
            config::AtSessionLimit::Refuse => AtSessionLimit::Refuse,
            config::AtSessionLimit::EndOldest => AtSessionLimit::EndOldest,
        },
        touch_granularity: millis(settings.touch_granularity),
        max_rotation_grace: millis(settings.max_rotation_grace),
        event_attributes: settings.event_attributes,
    }
}

fn upkeep_options(settings: &Settings) -> UpkeepOptions {
    UpkeepOptions {
        touch_interval: settings.touch_interval,
        sweep_interval: settings.sweep_interval,
        sweep_batch: settings.sweep_batch,
        history: HistoryBounds {
            age: millis(settings.event_history_age),
            count: settings.event_history_count,
            bytes: settings.event_history_size,
        },
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
