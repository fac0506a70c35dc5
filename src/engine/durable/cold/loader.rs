//! Reads from disk, away from the threads that serve requests.

use super::{ColdRead, Gate, Loaded, WarmView};
use crate::engine::durable::tables::Tables;
use crate::engine::{EngineError, Query};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How many reads may wait for the disk at a time. Each takes a thread.
const MAX_READS: usize = 16;

/// Runs cold reads. Clones share the bound on them.
#[derive(Clone, Debug)]
pub(in super::super) struct Loader {
    tables: Arc<Tables>,
    permits: Arc<Semaphore>,
}

impl Loader {
    pub(in super::super) fn new(tables: Tables) -> Self {
        Self { tables: Arc::new(tables), permits: Arc::new(Semaphore::new(MAX_READS)) }
    }

    /// Runs a query over memory and what was loaded for it. If it lacks something, the error is the cold read that it
    /// needs.
    pub(in super::super) fn run(
        &self,
        query: Query<'_>,
        loaded: Option<&Loaded>,
    ) -> Result<Result<(), EngineError>, ColdRead> {
        let gate = Gate::new(loaded);
        let result = query(&WarmView::new(&self.tables, &gate));
        gate.missed().map_or(Ok(result), Err)
    }

    /// Runs a query again and again until all that it reads is loaded.
    pub(in super::super) async fn read(&self, query: Query<'_>, mut missed: ColdRead) -> Result<(), EngineError> {
        let mut loaded = Loaded::default();
        loop {
            loaded = self.load(loaded, missed).await?;
            match self.run(query, Some(&loaded)) {
                Ok(result) => return result,
                Err(read) => missed = read,
            }
        }
    }

    /// Loads what was asked for, in addition to what was loaded before.
    pub(in super::super) async fn load(&self, mut loaded: Loaded, read: ColdRead) -> Result<Loaded, EngineError> {
        let Ok(runtime) = Handle::try_current() else {
            // Without a runtime, no other task waits for this thread.
            loaded.load(read, &self.tables);
            return Ok(loaded);
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| EngineError::Stopped)?;
        let tables = Arc::clone(&self.tables);
        let work = runtime.spawn_blocking(move || {
            loaded.load(read, &tables);
            drop(permit);
            loaded
        });
        work.await.map_err(|_| EngineError::Stopped)
    }
}
