//! What a load runs on: a server, as its connections see it.

mod redis;
mod sessiond;

use std::time::Duration;

use bytes::Bytes;

pub(super) use redis::{Commands, Redis, RedisAddress, RedisSettings};
pub(super) use sessiond::{LaneChoice, Sessiond, SessiondSettings};

/// A session of a bench expires after so long without access, so that a killed bench leaves nothing behind for long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a visitor does to a session, which goes by its ID or key.
pub(super) enum Operation<'a> {
    /// Reads all data and slides the timeout.
    Read(&'a str),
    /// Replaces all data.
    Write(&'a str, Bytes),
    /// Makes a session with this data.
    Create(Bytes),
    /// Gives the session, whose data is this, a new name and a principal.
    Rotate(&'a str, Bytes),
    /// Ends the session, if there is one.
    Delete(&'a str),
}

/// The session's name if it was given one, or what went wrong in one line. Such lines are counted by their text, so
/// that they name no session.
pub(super) type Outcome = Result<Option<String>, String>;

/// A server.
pub(super) trait Target: Send + Sync + 'static {
    /// What uses its connections.
    type Lane: Lane;

    /// For tables.
    fn name(&self) -> &str;

    /// The lanes of one more connection of the bench. They connect at their first operation, and run on the runtime that
    /// calls this.
    fn lanes(&self) -> Result<Vec<Self::Lane>, String>;

    /// What the server has used so far.
    fn usage(&self) -> impl Future<Output = Result<Usage, String>> + Send;
}

/// One sequence of round trips to a server.
pub(super) trait Lane: Send + 'static {
    /// The most operations that it takes at a time.
    fn width(&self) -> usize;

    /// Carries out operations on different sessions. Returns their results in order.
    fn perform(&mut self, operations: &[Operation<'_>]) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// What the process of a server uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// CPU time since its start, user and system; `None` if the server does not tell.
    pub(super) cpu: Option<Duration>,
    /// Resident memory.
    pub(super) memory_bytes: u64,
}
