//! Threads before which others go.

use rustix::process::setpriority_process;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread of lower priority that runs futures. It ends with the last clone.
#[derive(Clone)]
pub(crate) struct LowPriority {
    runtime: Handle,
    _running: Arc<oneshot::Sender<()>>,
}

impl LowPriority {
    /// Starts the thread with this niceness: the scheduler lets others that wake up go first, and gives the thread a part of a busy core all
    /// the same, at 10 a tenth.
    pub(crate) fn start(name: &'static str, niceness: i32) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(name.into()).spawn(move || {
            // On Linux each thread has a niceness of its own. Elsewhere its work is as urgent as anything else.
            if let Err(error) = setpriority_process(Some(rustix::thread::gettid()), niceness) {
                tracing::warn!(%error, "the thread {name} keeps its normal priority");
            }
            // The sender is only ever dropped.
            runtime.block_on(ended).ok();
        })?;
        Ok(Self { runtime: handle, _running: Arc::new(running) })
    }

    /// Where to spawn what it is to run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
