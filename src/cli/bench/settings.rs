//! What a bench does, on whatever server.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::workload::Workload;

/// What a bench does, on whatever server.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) workload: Workload,
    /// Sessions that are there before the load begins.
    pub(super) sessions: usize,
    /// Bytes of a session.
    pub(super) sizes: RangeInclusive<usize>,
    pub(super) connections: usize,
    /// Operations in flight on each connection.
    pub(super) in_flight: usize,
    /// Further connections, without load.
    pub(super) idle_connections: usize,
    /// Threads of the load generator.
    pub(super) threads: usize,
    /// Operations to begin per second; `None` for as many as the server takes.
    pub(super) rate: Option<u32>,
    pub(super) warmup: Duration,
    pub(super) duration: Duration,
    pub(super) seed: u64,
    /// Leave the sessions behind.
    pub(super) keep: bool,
    /// Show no progress.
    pub(super) quiet: bool,
}
