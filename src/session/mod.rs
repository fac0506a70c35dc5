//! The rules of sessions, once for every engine: who may read and change a session, when it has ended, what an update
//! does, what rotation keeps.
//!
//! Each operation is a file. It finds the session ([`lookup`]), lets [`touches`] judge whether it is live, and reads it in
//! a query or changes it in a transaction of the [`Engine`](crate::engine::Engine).

mod backup;
mod batch;
mod change;
mod create;
mod csrf;
mod delete;
mod error;
mod get;
mod handoff;
mod history;
mod list;
mod locks;
mod lookup;
mod policy;
mod principal_limit;
mod rebound;
mod revoke;
mod rotate;
mod scan;
mod step;
mod sweeper;
mod tally;
#[cfg(test)]
mod time_tests;
mod touches;
mod update;
mod upkeep;
mod verify;

pub use backup::{BackupSink, BackupStopped};
pub use change::{AbsoluteEnd, SessionChange, Timeouts};
pub use create::{NewSession, Past};
pub use delete::Target;
pub use error::Error;
pub use handoff::{MAX_TICKET_LIFETIME, MIN_TICKET_LIFETIME, Redemption};
pub use history::HistoryBounds;
pub use list::{Page, PageBounds};
pub use locks::{LockRequest, Locked, MAX_LEASE, MAX_LOCK_WAIT, MIN_LEASE};
pub use lookup::Seen;
pub use policy::{AtSessionLimit, MAX_GRACE, MAX_TIMEOUT, Policies, Policy};
pub use revoke::RevokeScope;
pub use rotate::Rotation;
pub use sweeper::Swept;
pub use tally::Tallied;
pub use touches::Access;
pub use update::{Update, Updated};
pub use upkeep::{Upkeep, UpkeepOptions};
pub use verify::Verification;

use crate::clock::{Agreement, Clock, Millis};
use crate::engine::{Draft, Engine, EngineError, EngineStatistics, Outcome, View};
use crate::model::Handle;
use locks::Locks;
use std::sync::Arc;
use tally::Tally;
use touches::Touches;

/// The sessions of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    engine: Arc<dyn Engine>,
    clock: Clock,
    policies: Arc<Policies>,
    touches: Arc<Touches>,
    locks: Arc<Locks>,
    tally: Arc<Tally>,
}

impl Sessions {
    /// Serves the sessions in this engine.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, clock: Clock, policies: Policies) -> Self {
        let policies = Arc::new(policies);
        Self {
            engine,
            touches: Arc::new(Touches::new(clock.clone(), Arc::clone(&policies))),
            locks: Arc::new(Locks::new(clock.clone())),
            tally: Arc::default(),
            policies,
            clock,
        }
    }

    /// What was counted since the start.
    #[must_use]
    pub fn tallied(&self) -> Tallied {
        self.tally.read()
    }

    /// How the time of the sessions and the system's clock agree.
    #[must_use]
    pub fn clock_agreement(&self) -> Agreement {
        self.clock.agreement()
    }

    /// What the engine holds and has done.
    #[must_use]
    pub fn engine_statistics(&self) -> EngineStatistics {
        self.engine.statistics()
    }

    /// How long the session that waits longest for the sweeper has been on its index as ended, in milliseconds.
    pub async fn sweeper_lag(&self) -> Result<Millis, Error> {
        let now = self.clock.now();
        let oldest = self.query(|view| view.due(now, 1)).await?;
        Ok(oldest.first().map_or(0, |due| now.saturating_sub(due.at)))
    }

    /// Runs a query and returns what it found.
    async fn query<T: Send>(
        &self,
        mut read: impl FnMut(&dyn View) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let mut found = None;
        self.engine
            .read(&mut |view| {
                found = Some(read(view)?);
                Ok(())
            })
            .await?;
        Ok(found.expect("an engine runs a query before it returns Ok"))
    }

    /// Runs a transaction and returns what it decided, once that is durable.
    async fn transact<T: Send>(
        &self,
        mut decide: impl FnMut(&mut Draft<'_>) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let mut decision = None;
        self.engine
            .commit(&mut |draft| {
                let result = match decide(draft) {
                    Err(Error::Engine(error)) => return Err(error),
                    result => result,
                };
                let outcome = if result.is_ok() { Outcome::Commit } else { Outcome::Abandon };
                let ended: Vec<Handle> = draft.removed().collect();
                decision = Some((result, ended, draft.expired()));
                Ok(outcome)
            })
            .await?;
        let (result, ended, expired) = decision.expect("an engine runs a transaction before it returns Ok");
        if result.is_ok() {
            self.tally.count_expired(expired);
            for handle in ended {
                self.locks.end(handle);
            }
        }
        result
    }
}
