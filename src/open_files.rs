//! The limit of open files: every connection is one, and many systems allow a process 1,024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Other open files that belong to no thread: standard streams, listeners, the data, drawings. They are fewer than this.
const OTHERS: u64 = 64;

/// Files of each thread that has connections: what wakes its runtime up, and connections that it is about to take or close.
const PER_THREAD: u64 = 8;

/// How many open files a process with so many connections and threads needs.
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
