//! The limit of open files: every connection is one, and many systems allow a process 1,024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// What is open besides connections and by no thread in particular: standard streams, listeners, the data, drawings. More
/// than that, in fact.
const OTHERS: u64 = 64;

/// Of each thread that has connections: what its runtime wakes up by, and connections that it is about to take or let go.
const PER_THREAD: u64 = 8;

/// How many files a process with so many connections and threads may have open.
pub(crate) fn needed(connections: u64, threads: usize) -> u64 {
    connections + PER_THREAD * threads as u64 + OTHERS
}

/// Raises the limit to so many, as far as it may be raised, and returns what it is then.
pub(crate) fn allow(needed: u64) -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if raised <= current {
        return Ok(current);
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit })?;
    Ok(raised)
}
