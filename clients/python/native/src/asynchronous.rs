//! Calls of asyncio's tasks: one thread of the process carries them out, for all event loops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::bridge::{Bridge, Outcome};
use crate::fork::{Inside, Owned};
use crate::message::FromPlain as _;
use crate::method::Call;
use crate::settings::{Connection, Tls, Token, Trace, next_number};
use crate::watch::Events;

/// The thread of this process, once a call was made. Locked only by who holds the interpreter lock, and lets nobody else have
/// it meanwhile, so that no fork finds it locked.
static WORKER: Mutex<Option<Worker>> = Mutex::new(None);

struct Worker {
    number: u64,
    runtime: Handle,
    /// Tasks that are not done.
    tasks: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

fn worker() -> MutexGuard<'static, Option<Worker>> {
    WORKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the thread, before a fork, unless it has something to do: that may be for a loop of the thread that forks, which would
/// wait for itself.
pub(crate) fn give_up(py: Python<'_>) {
    let worker = worker().take_if(|worker| worker.tasks.load(Ordering::Acquire) == 0);
    if let Some(Worker { stop, thread, .. }) = worker {
        drop(stop);
        py.detach(|| thread.join().ok());
    }
}

/// Leaves the parent's thread alone, in a process that was forked.
pub(crate) fn forget() {
    std::mem::forget(worker().take());
}

impl Worker {
    fn start() -> PyResult<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            // It is stopped by dropping the other end.
            runtime.block_on(stopped).ok();
        };
        let thread = thread::Builder::new().name("sessiond".to_owned()).spawn(run)?;
        Ok(Self { number: next_number(), runtime: handle, tasks: Arc::default(), stop, thread })
    }
}

/// A place on the thread, for one task. The thread is not given up before the place is.
struct Place {
    number: u64,
    runtime: Handle,
    counted: Counted,
}

impl Place {
    /// Starts the thread if it is not there. Nothing of Python runs in here: it could let another thread go on, which would
    /// wait for the lock with the interpreter lock in its hands, for ever.
    fn take(_inside: &Inside) -> PyResult<Self> {
        let mut worker = worker();
        let worker = match &*worker {
            Some(worker) => worker,
            None => worker.insert(Worker::start()?),
        };
        Ok(Self { number: worker.number, runtime: worker.runtime.clone(), counted: Counted::new(&worker.tasks) })
    }

    fn run(self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = self.counted;
        self.runtime.spawn(async move {
            let _until_done = counted;
            task.await;
        });
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(tasks: &Arc<AtomicUsize>) -> Self {
        tasks.fetch_add(1, Ordering::Release);
        Self(Arc::clone(tasks))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Calls that complete futures of asyncio.
#[pyclass(frozen, module = "sessiond._native")]
pub(crate) struct AsyncCore {
    connection: Connection,
}

#[pymethods]
impl AsyncCore {
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

    #[pyo3(signature = (event_loop, method, request, timeout, trace=None))]
    fn call<'py>(
        &self,
        event_loop: &Bound<'py, PyAny>,
        method: &str,
        request: &Bound<'py, PyDict>,
        timeout: f64,
        trace: Option<Trace>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let inside = Inside::enter(event_loop.py());
        let call = Call::new(method, request)?;
        let bridge = Bridge::of(event_loop)?;
        let place = Place::take(&inside)?;
        let worker = (place.number, &place.runtime);
        let client = self.connection.traced_client(event_loop.py(), worker, timeout, trace);
        let client = client.inspect_err(|_| request.clear())?;
        let (future, waiter) = bridge.get().wait(event_loop)?;
        let (mailbox, request) = (bridge.get().mailbox(), request.clone().unbind());
        place.run(async move {
            let answer = call.make(client).await;
            mailbox.put(waiter, Outcome::Answer(answer, request));
        });
        Ok(future)
    }

    fn watch(slf: Bound<'_, Self>, request: &Bound<'_, PyDict>) -> PyResult<AsyncStream> {
        let _inside = Inside::enter(slf.py());
        let request = sessiond_client::proto::WatchSessionsRequest::from_plain(request)?;
        Ok(AsyncStream { core: slf.unbind(), events: Owned::new(Arc::new(Events::new(request))) })
    }

    fn close(&self) {
        self.connection.close();
    }
}

/// A stream of events, for a task that reads it.
#[pyclass(frozen, module = "sessiond._native")]
struct AsyncStream {
    core: Py<AsyncCore>,
    events: Owned<Arc<Events>>,
}

#[pymethods]
impl AsyncStream {
    fn receive<'py>(&self, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let inside = Inside::enter(event_loop.py());
        let bridge = Bridge::of(event_loop)?;
        let place = Place::take(&inside)?;
        let (connection, number) = (&self.core.get().connection, place.number);
        let client = connection.client(event_loop.py(), number, &place.runtime, connection.timeout())?;
        let (future, waiter) = bridge.get().wait(event_loop)?;
        let (mailbox, events) = (bridge.get().mailbox(), Arc::clone(&self.events));
        place.run(async move {
            let received = events.receive(client, number, None).await;
            mailbox.put(waiter, Outcome::Event(received.map(Option::flatten)));
        });
        Ok(future)
    }

    fn cancel(&self) {
        self.events.cancel();
    }
}
