//! The thread for walks over many sessions. It has a lower priority than the workers: requests of visitors go before an
//! operator's list of a million sessions.

use crate::low_priority::LowPriority;
use std::io;
use tokio_util::task::AbortOnDropHandle;

/// A walk gets a tenth of a busy core, so that it never stops altogether.
const NICENESS: i32 = 10;

/// Runs futures on the background thread, which ends with the last clone.
#[derive(Clone)]
pub struct Background(LowPriority);

impl Background {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        LowPriority::start("background", NICENESS).map(Self)
    }

    /// Runs the walk and returns what it found. It is given up when the caller is.
    pub(in crate::service) async fn run<T: Send + 'static>(&self, walk: impl Future<Output = T> + Send + 'static) -> T {
        let task = AbortOnDropHandle::new(self.0.runtime().spawn(walk));
        task.await.expect("a walk neither panics nor is aborted while its caller waits")
    }
}
