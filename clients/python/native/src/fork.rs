//! What makes a fork harmless.
//!
//! Threads do not survive a fork, and sockets would be shared by both processes. So before a fork no new call begins, those
//! under way end, and the runtimes are given up; both processes open new ones at their next call. What can't be given up,
//! because a call did not end in time, goes on in the parent and is never touched in the child, not even to drop it: its
//! locks may be held for ever there.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{asynchronous, blocking};

/// A fork waits no longer than this for calls under way.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often a thread that waits for a fork, or before one, looks again. A lock to wait at could be held at the fork by a
/// thread that the child does not have.
const LOOK: Duration = Duration::from_micros(200);

/// Threads that are inside this library. Changed only by who holds the interpreter lock.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// A fork is about to happen.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// How many forks lie between this process and the first one.
static FORKS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before, module)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_in_parent, module)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_in_child, module)?)?;
    py.import("os")?.getattr("register_at_fork")?.call((), Some(&hooks))?;
    Ok(())
}

/// A thread that is inside this library: a fork waits for it. That matters also where no call is made: what is made once, such
/// as an interned name, is made while others may have the interpreter lock, and a child would wait for it for ever.
pub(crate) struct Inside(());

impl Inside {
    /// Waits until no fork is about to happen, and enters.
    pub(crate) fn enter(py: Python<'_>) -> Self {
        while CLOSED.load(Ordering::Relaxed) {
            py.detach(|| std::thread::sleep(LOOK));
        }
        INSIDE.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[pyfunction]
fn before(py: Python<'_>) {
    CLOSED.store(true, Ordering::Relaxed);
    let end = Instant::now() + LONGEST_WAIT;
    while INSIDE.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        py.detach(|| std::thread::sleep(LOOK));
    }
    if INSIDE.load(Ordering::Relaxed) == 0 {
        blocking::give_up();
    }
    asynchronous::give_up(py);
}

#[pyfunction]
fn after_in_parent() {
    CLOSED.store(false, Ordering::Relaxed);
}

#[pyfunction]
fn after_in_child() {
    INSIDE.store(0, Ordering::Relaxed);
    FORKS.fetch_add(1, Ordering::Relaxed);
    blocking::forget();
    asynchronous::forget();
    CLOSED.store(false, Ordering::Relaxed);
}

/// A thing of the process that made it. In one that was forked since, it is never dropped.
pub(crate) struct Owned<T> {
    thing: Option<T>,
    forks: u64,
}

impl<T> Owned<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self { thing: Some(thing), forks: FORKS.load(Ordering::Relaxed) }
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.forks != FORKS.load(Ordering::Relaxed) {
            std::mem::forget(self.thing.take());
        }
    }
}
