//! Serving the sessions of an engine, with their maintenance; and putting a restored engine in its place.

use super::storage::Storage;
use super::sweeper_watch;
use crate::backup::Restored;
use crate::clock::{Clock, Millis};
use crate::engine::Engine;
use crate::server::ServeError;
use crate::service::{Refusal, Restores, StoreService, Swap};
use crate::session::{Maintenance, MaintenanceOptions, Policies, Sessions};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// All that it takes to serve the sessions of an engine.
#[derive(Clone)]
pub(in crate::server) struct Launcher {
    pub(in crate::server) store: StoreService,
    pub(in crate::server) storage: Storage,
    pub(in crate::server) clock: Clock,
    pub(in crate::server) policies: Policies,
    pub(in crate::server) maintenance: MaintenanceOptions,
    /// How far behind the sweeper may be, in milliseconds.
    pub(in crate::server) lag_limit: Millis,
    /// How far it is, by the last look.
    pub(in crate::server) sweeper_lag: Arc<AtomicU64>,
    /// Turns true when it is farther than allowed.
    pub(in crate::server) sweeper_behind: watch::Sender<bool>,
}

/// An engine whose sessions are served.
pub(in crate::server) struct Serving {
    pub(in crate::server) engine: Arc<dyn Engine>,
    pub(in crate::server) maintenance: Maintenance,
    pub(in crate::server) sweeper_watch: AbortOnDropHandle<()>,
}

impl Launcher {
    /// Begins to serve the sessions of this engine.
    pub(in crate::server) fn serve(&self, engine: Arc<dyn Engine>) -> Serving {
        let sessions = Sessions::new(Arc::clone(&engine), self.clock.clone(), self.policies.clone());
        let maintenance = Maintenance::start(sessions.clone(), self.maintenance);
        let (lag, behind) = (Arc::clone(&self.sweeper_lag), self.sweeper_behind.clone());
        let follow = sweeper_watch::follow(sessions.clone(), self.lag_limit, lag, behind);
        let sweeper_watch = AbortOnDropHandle::new(tokio::spawn(follow));
        self.store.open(sessions);
        Serving { engine, maintenance, sweeper_watch }
    }

    /// Replaces an empty engine by a restored one. Calls are refused meanwhile. An error ends the server; the folder then holds
    /// either what it held before or all that was restored.
    pub(in crate::server) async fn swap(
        &self,
        Serving { engine, maintenance, sweeper_watch }: Serving,
        swap: Swap,
    ) -> Result<Serving, ServeError> {
        self.store.close();
        drop(sweeper_watch);
        maintenance.stop().await;
        engine.close().await.map_err(ServeError::Close)?;
        // Now that the engine is closed, no session can be created any more.
        let empty = Restores::require_empty(&engine.statistics());
        let (storage, Swap { built, done }) = (self.storage.clone(), swap);
        let replaced = tokio::task::spawn_blocking(move || {
            // Calls in flight may hold it a moment longer.
            drop(engine);
            let installed: Result<Restored, Refusal> = match empty {
                Ok(()) => Ok(built.install().map_err(ServeError::Install)?),
                Err(refusal) => Err(refusal),
            };
            Ok::<_, ServeError>((installed, storage.open().map_err(ServeError::Open)?))
        });
        let (installed, engine) = replaced.await.map_err(io::Error::other)??;
        if let Ok(restored) = &installed {
            self.clock.raise(restored.backup.cut.moment);
        }
        let serving = self.serve(engine);
        // The caller may be gone.
        done.send(installed).ok();
        Ok(serving)
    }
}
