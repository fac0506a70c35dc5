//! The thread for walks over many sessions. It has a lower priority than the workers: requests of visitors go before an
//! operator's list of a million sessions.

use rustix::process::setpriority_process;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// How nice the thread is. The scheduler lets a waking worker go first, and gives the thread a tenth of a busy core, so that
/// a walk never stops altogether.
const NICENESS: i32 = 10;

/// Runs futures on the background thread, which ends with the last clone.
#[derive(Clone)]
pub struct Background {
    runtime: Handle,
    _running: Arc<oneshot::Sender<()>>,
}

impl Background {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("background".into()).spawn(move || {
            // On Linux each thread has a niceness of its own. Elsewhere walks are as urgent as anything else.
            if let Err(error) = setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
                tracing::warn!(%error, "the background thread keeps its normal priority");
            }
            // The sender is only ever dropped.
            runtime.block_on(ended).ok();
        })?;
        Ok(Self { runtime: handle, _running: Arc::new(running) })
    }

    /// Runs the walk and returns what it found. It is given up when the caller is.
    pub(in crate::service) async fn run<T: Send + 'static>(&self, walk: impl Future<Output = T> + Send + 'static) -> T {
        let task = AbortOnDropHandle::new(self.runtime.spawn(walk));
        task.await.expect("a walk neither panics nor is aborted while its caller waits")
    }
}
