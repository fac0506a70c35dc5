//! Calls of threads. There is no thread of our own: whoever waits for an answer meanwhile sends and receives for all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::error::raised;
use crate::fork::{Inside, Owned};
use crate::message::{FromPlain as _, IntoPlain as _};
use crate::method::Call;
use crate::settings::{Connection, Tls, Token, Trace, next_number};
use crate::watch::Events;

/// How long a thread waits for events before it looks whether a signal has come, and lets a fork happen.
const PATIENCE: Duration = Duration::from_millis(100);

/// The runtime of this process, once a call was made. Locked only by who holds the interpreter lock, so that no fork finds
/// it locked.
static SHARED: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

struct Shared {
    number: u64,
    runtime: Runtime,
    /// Calls under way. Changed only by who holds the interpreter lock.
    calls: AtomicUsize,
}

fn shared() -> MutexGuard<'static, Option<Arc<Shared>>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the runtime, before a fork, when no thread is inside.
pub(crate) fn give_up() {
    *shared() = None;
}

/// Leaves the parent's runtime alone, in a process that was forked.
pub(crate) fn forget() {
    std::mem::forget(shared().take());
}

/// A place in the runtime, for one call. Whoever takes it is inside.
struct Visit(Arc<Shared>);

impl Visit {
    fn begin(_inside: &Inside) -> PyResult<Self> {
        let mut shared = shared();
        let known = if let Some(known) = &*shared {
            Arc::clone(known)
        } else {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let new = Arc::new(Shared { number: next_number(), runtime, calls: AtomicUsize::new(0) });
            Arc::clone(shared.insert(new))
        };
        known.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Self(known))
    }

    /// Runs a future while other threads of Python go on.
    fn wait_for<F: Future<Output: Send> + Send>(&self, py: Python<'_>, future: F) -> F::Output {
        let alone = self.0.calls.load(Ordering::Relaxed) == 1;
        py.detach(|| {
            self.0.runtime.block_on(async {
                if alone {
                    // Nobody has looked at the connection since the last call: if the server closed it meanwhile, that is
                    // found out now, and not by a call that is lost with it.
                    yield_now().await;
                    yield_now().await;
                }
                future.await
            })
        })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Blocking calls, of any number of threads.
#[pyclass(frozen, module = "sessiond._native")]
pub(crate) struct Core {
    connection: Connection,
}

#[pymethods]
impl Core {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are passed so")]
    fn new(
        py: Python<'_>,
        addresses: Vec<String>,
        timeout: f64,
        tls: Option<Tls>,
        token: Option<Token>,
    ) -> PyResult<Self> {
        Ok(Self { connection: Connection::new(py, &addresses, timeout, tls, token)? })
    }

    #[pyo3(signature = (method, request, timeout, trace=None))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        request: &Bound<'py, PyDict>,
        timeout: f64,
        trace: Option<Trace>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let inside = Inside::enter(py);
        let call = Call::new(method, request)?;
        let visit = Visit::begin(&inside)?;
        let place = (visit.0.number, visit.0.runtime.handle());
        let client = self.connection.traced_client(py, place, timeout, trace);
        let client = client.inspect_err(|_| request.clear())?;
        match visit.wait_for(py, call.make(client)) {
            Ok(answer) => answer.into_plain(py),
            Err(error) => {
                // Pages that show the local variables of a traceback would show the session's ID.
                request.clear();
                Err(raised(py, &error))
            }
        }
    }

    fn watch(slf: Bound<'_, Self>, request: &Bound<'_, PyDict>) -> PyResult<Stream> {
        let _inside = Inside::enter(slf.py());
        let request = sessiond_client::proto::WatchSessionsRequest::from_plain(request)?;
        Ok(Stream { core: slf.unbind(), events: Owned::new(Arc::new(Events::new(request))) })
    }

    fn close(&self) {
        self.connection.close();
    }
}

/// A stream of events, for a thread that reads it.
#[pyclass(frozen, module = "sessiond._native")]
struct Stream {
    core: Py<Core>,
    events: Owned<Arc<Events>>,
}

#[pymethods]
impl Stream {
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        loop {
            let inside = Inside::enter(py);
            let visit = Visit::begin(&inside)?;
            let connection = &self.core.get().connection;
            let client = connection.client(py, visit.0.number, visit.0.runtime.handle(), connection.timeout())?;
            let received = self.events.receive(client, visit.0.number, Some(PATIENCE));
            let received = visit.wait_for(py, received);
            match received {
                Ok(Some(message)) => return message.map(|message| message.into_plain(py)).transpose(),
                Ok(None) => py.check_signals()?,
                Err(error) => return Err(raised(py, &error)),
            }
        }
    }

    fn cancel(&self) {
        self.events.cancel();
    }
}
