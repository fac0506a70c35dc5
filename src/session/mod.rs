//! The rules of sessions, once for every engine: who may read and change a session, when it has ended, what an update
//! does, what rotation keeps.
//!
//! Each operation is a file. It finds the session ([`lookup`]), lets [`touches`] judge whether it is live, and reads it in
//! a query or changes it in a transaction of the [`Engine`](crate::engine::Engine).

mod change;
mod create;
mod delete;
mod error;
mod get;
mod lookup;
mod policy;
mod rotate;
mod sweeper;
mod touches;
mod update;
mod upkeep;

pub use change::{AbsoluteEnd, SessionChange, Timeouts};
pub use create::NewSession;
pub use delete::Target;
pub use error::Error;
pub use policy::{MAX_GRACE, MAX_LABELS, MAX_TIMEOUT, Policy};
pub use rotate::Rotation;
pub use sweeper::Swept;
pub use touches::Access;
pub use update::{Update, Updated};
pub use upkeep::{Upkeep, UpkeepOptions};

use crate::clock::Clock;
use crate::engine::{Draft, Engine, EngineError, Outcome, View};
use std::sync::{Arc, Mutex, PoisonError};
use touches::Touches;

/// The sessions of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    engine: Arc<dyn Engine>,
    clock: Clock,
    policy: Arc<Policy>,
    touches: Arc<Touches>,
}

impl Sessions {
    /// Serves the sessions in this engine.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, clock: Clock, policy: Policy) -> Self {
        let touches = Arc::new(Touches::new(clock.clone()));
        Self {
            engine,
            clock,
            policy: Arc::new(policy),
            touches,
        }
    }

    /// Runs a query and returns what it found.
    async fn query<T: Send>(
        &self,
        mut read: impl FnMut(&dyn View) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let mut found = None;
        self.engine
            .read(Box::new(|view| {
                found = Some(read(view)?);
                Ok(())
            }))
            .await?;
        Ok(found.expect("an engine runs a query before it returns Ok"))
    }

    /// Runs a transaction and returns what it decided, once that is durable.
    async fn transact<T: Send + 'static>(
        &self,
        mut decide: impl FnMut(&mut Draft<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let decision = Arc::new(Mutex::new(None));
        let decided = Arc::clone(&decision);
        let transaction = move |draft: &mut Draft<'_>| {
            let result = match decide(draft) {
                Err(Error::Engine(error)) => return Err(error),
                result => result,
            };
            let outcome = if result.is_ok() {
                Outcome::Commit
            } else {
                Outcome::Abandon
            };
            *decided.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            Ok(outcome)
        };
        self.engine.commit(Box::new(transaction)).await?;
        let result = decision.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.expect("an engine runs a transaction before it returns Ok")
    }
}
