//! The rules of sessions, once for every engine: who may read and change a session, when it has ended, what an update
//! does, what rotation keeps.
//!
//! A request comes to a file of [`operations`], or of [`walks`] if it is about many sessions. It finds the session and lets
//! [`liveness`] decide whether it is live, and reads it in a query or changes it in a transaction of the
//! [`Engine`](crate::engine::Engine); both are run by this file. [`maintenance`] is what happens without a request, and
//! [`sealing`] keeps the attributes of sealed sessions from the engine.

mod counters;
mod error;
mod liveness;
mod maintenance;
mod operations;
mod policy;
mod sealing;
#[cfg(test)]
mod time_tests;
mod walks;

pub use counters::CounterValues;
pub use error::Error;
pub use liveness::expiry::Access;
pub use liveness::lookup::Seen;
pub use maintenance::history_trimmer::HistoryBounds;
pub use maintenance::sweeper::Swept;
pub use maintenance::task::{Maintenance, MaintenanceOptions};
pub use operations::change::{AbsoluteEnd, SessionChange, Timeouts};
pub use operations::create::{NewSession, Past};
pub use operations::delete::DeleteTarget;
pub use operations::handoff::{MAX_TICKET_LIFETIME, MIN_TICKET_LIFETIME, Redemption};
pub use operations::locks::{LockRequest, Locked, MAX_LEASE, MAX_LOCK_WAIT, MIN_LEASE};
pub use operations::rotate::Rotation;
pub use operations::update::{Update, Updated};
pub use policy::{AtSessionLimit, MAX_GRACE, MAX_TIMEOUT, Policies, Policy};
pub use walks::backup::{BackupSink, BackupStopped};
pub use walks::list::{Page, PageBounds};
pub use walks::revoke::RevokeScope;
pub use walks::verify::Verification;

use crate::clock::{Agreement, Clock, Millis};
use crate::engine::{Draft, Engine, EngineError, EngineStatistics, Outcome, View};
use crate::model::Handle;
use counters::Counters;
use liveness::touches::Touches;
use operations::locks::Locks;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The sessions of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    engine: Arc<dyn Engine>,
    clock: Clock,
    policies: Arc<Policies>,
    touches: Arc<Touches>,
    locks: Arc<Locks>,
    counters: Arc<Counters>,
    /// Where the sweeper goes on.
    swept_to: Arc<AtomicU64>,
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
            counters: Arc::default(),
            swept_to: Arc::default(),
            policies,
            clock,
        }
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> CounterValues {
        self.counters.read()
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

    /// Whether there may be sealed sessions: by the policies, or from earlier runs.
    #[must_use]
    pub fn may_hold_sealed(&self) -> bool {
        self.policies.iter().any(|policy| policy.sealed) || self.engine.statistics().may_hold_sealed
    }

    /// For how long the session that waits longest for the sweeper has been due, in milliseconds.
    pub async fn sweeper_lag(&self) -> Result<Millis, Error> {
        let now = self.clock.now();
        let oldest = self.query(|view| view.due(0, now, 1)).await?;
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
                let removed: Vec<Handle> = draft.removed().collect();
                decision = Some((result, removed, draft.ended()));
                Ok(outcome)
            })
            .await?;
        let (result, removed, ended) = decision.expect("an engine runs a transaction before it returns Ok");
        if result.is_ok() {
            self.counters.count_ended(ended);
            for handle in removed {
                self.locks.end(handle);
            }
        }
        result
    }
}
