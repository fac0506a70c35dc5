//! Raises the limit of open files. Every connection is an open file, and many systems allow a process 1,024 unless it
//! asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Room for open files that belong to no thread: standard streams, listeners, the data, and connections for metrics and
/// of the console.
const OTHERS: u64 = 64 + 16 + 64;

/// The files of each thread that has connections: those that wake its runtime, and connections that it is about to
/// accept or close.
const PER_THREAD: u64 = 8;

/// How many open files a process with this many connections and threads needs.
pub(crate) fn needed(connections: u64, threads: usize) -> u64 {
    connections + PER_THREAD * threads as u64 + OTHERS
}

/// Raises the limit to `needed`, as far as the hard limit allows. Returns the limit in force.
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
