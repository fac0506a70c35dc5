//! From the thread that carries out calls to the event loop that waits for them: answers gather in a list, and one byte in a
//! pipe wakes the loop for all of them. The thread needs no interpreter lock for it.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use sessiond_client::Error;
use sessiond_client::proto::WatchSessionsResponse;
use slab::Slab;

use crate::error::raised;
use crate::fork::Inside;
use crate::message::IntoPlain as _;
use crate::method::Answer;

/// What a task led to.
pub(crate) enum Outcome {
    Answer(Result<Answer, Error>, Py<PyDict>),
    Event(Result<Option<WatchSessionsResponse>, Error>),
}

/// What the thread knows of a loop.
pub(crate) struct Mailbox {
    outcomes: Mutex<Vec<(usize, Outcome)>>,
    bell: UnixStream,
}

impl Mailbox {
    pub(crate) fn put(&self, waiter: usize, outcome: Outcome) {
        let first = {
            let mut outcomes = self.outcomes();
            outcomes.push((waiter, outcome));
            outcomes.len() == 1
        };
        // A bell that can't be rung has been rung often, or the loop is gone.
        if first {
            (&self.bell).write_all(&[1]).ok();
        }
    }

    fn outcomes(&self) -> MutexGuard<'_, Vec<(usize, Outcome)>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a loop knows of its calls.
#[pyclass(frozen, module = "sessiond._native")]
pub(crate) struct Bridge {
    mailbox: Arc<Mailbox>,
    bell: UnixStream,
    /// Futures that wait. Locked only by who holds the interpreter lock.
    waiters: Mutex<Slab<Py<PyAny>>>,
}

impl Bridge {
    /// The bridge of this loop.
    pub(crate) fn of<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
        static BRIDGES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = event_loop.py();
        // Loops come and go: Django makes one for every async view under WSGI.
        let bridges = BRIDGES.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
            Ok(py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?.unbind())
        })?;
        let bridges = bridges.bind(py);
        let known = bridges.call_method1(intern!(py, "get"), (event_loop,))?;
        if !known.is_none() {
            return Ok(known.cast_into()?);
        }
        // Futures that will never be done keep their loop, and so their bridge, for ever.
        for other in py.import("builtins")?.getattr("list")?.call1((bridges,))?.try_iter()? {
            let other = other?;
            if other.call_method0("is_closed")?.is_truthy()? {
                bridges.call_method1("pop", (other, py.None()))?;
            }
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let mailbox = Arc::new(Mailbox { outcomes: Mutex::new(Vec::new()), bell: theirs });
        let descriptor = ours.as_raw_fd();
        let bridge = Bound::new(py, Bridge { mailbox, bell: ours, waiters: Mutex::new(Slab::new()) })?;
        event_loop.call_method1("add_reader", (descriptor, bridge.getattr("drain")?))?;
        bridges.set_item(event_loop, &bridge)?;
        Ok(bridge)
    }

    /// A future of the loop, and what its outcome is to be put under.
    pub(crate) fn wait<'py>(&self, event_loop: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let future = event_loop.call_method0(intern!(event_loop.py(), "create_future"))?;
        let waiter = self.waiters().insert(future.clone().unbind());
        Ok((future, waiter))
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    fn waiters(&self) -> MutexGuard<'_, Slab<Py<PyAny>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Bridge {
    /// Hands out what has come; the loop calls it when the bell rings.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let _inside = Inside::enter(py);
        // The bell is rung once for each time that the list was empty, so there is little to read; what is left over rings again.
        let _rung = (&self.bell).read(&mut [0; 64]);
        let outcomes = std::mem::take(&mut *self.mailbox.outcomes());
        for (waiter, outcome) in outcomes {
            let future = self.waiters().try_remove(waiter);
            let Some(future) = future.map(|future| future.into_bound(py)) else { continue };
            // Who was cancelled waits no more.
            if future.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            match outcome.into_python(py) {
                Ok(answer) => future.call_method1(intern!(py, "set_result"), (answer,))?,
                Err(error) => future.call_method1(intern!(py, "set_exception"), (error,))?,
            };
        }
        Ok(())
    }
}

impl Outcome {
    fn into_python(self, py: Python<'_>) -> PyResult<Option<Bound<'_, PyDict>>> {
        match self {
            Self::Answer(Ok(answer), _) => answer.into_plain(py).map(Some),
            Self::Answer(Err(error), request) => {
                // Pages that show the local variables of a traceback would show the session's ID.
                request.bind(py).clear();
                Err(raised(py, &error))
            }
            Self::Event(Ok(message)) => message.map(|message| message.into_plain(py)).transpose(),
            Self::Event(Err(error)) => Err(raised(py, &error)),
        }
    }
}
