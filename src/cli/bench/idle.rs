//! Idle connections: most connections of a fleet are idle most of the time.

use std::sync::Arc;

use super::target::{Lane as _, Operation, Target};

/// Connections that have made one call each. They stay open until this is dropped.
pub(super) struct Idle<T: Target> {
    #[expect(dead_code, reason = "kept open")]
    lanes: Vec<T::Lane>,
    /// By how much each made the server grow; `None` if there are none.
    pub(super) bytes_each: Option<u64>,
}

impl<T: Target> Idle<T> {
    /// Opens so many connections, one after the other, and makes a call on each.
    pub(super) async fn open(target: &Arc<T>, count: usize) -> Result<Self, String> {
        let before = target.usage().await?.memory_bytes;
        let mut lanes = Vec::with_capacity(count);
        for _ in 0..count {
            let mut lane = target.lanes()?.swap_remove(0);
            // There are no sessions yet, but ending none is a call, too.
            for outcome in lane.perform(&[Operation::Delete("a-session-that-is-not-there")]).await {
                outcome?;
            }
            lanes.push(lane);
        }
        let grown = target.usage().await?.memory_bytes.saturating_sub(before);
        Ok(Self { lanes, bytes_each: grown.checked_div(count as u64) })
    }
}
