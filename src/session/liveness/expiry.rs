//! The one place that decides whether a session has expired.

use super::touches::{Touches, known_touch};
use crate::clock::Millis;
use crate::engine::{EngineError, View};
use crate::model::{Life, Record};

/// What to do with a session that is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Slide its idle timeout.
    Touch,
    /// Leave it as it is.
    Peek,
}

impl Touches {
    /// Decides whether a session is live. Returns how long it lives by its record, the policy and the last access; and the
    /// present moment, or `None` if it has expired.
    ///
    /// Reading the clock, deciding and touching happen under one lock per session: once anyone has found a session
    /// expired, no touch that began earlier can bring it back.
    pub(in crate::session) fn judge(
        &self,
        record: &Record,
        access: Access,
        view: &dyn View,
    ) -> Result<(Life, Option<Millis>), EngineError> {
        let policy = self.policies.of(&record.namespace);
        let mut life = policy.bounded_life(record);
        let mut shard = self.shard(record.handle);
        let now = self.clock.now();
        let note = shard.entry(record.handle);
        let known = known_touch(&note, view)?;
        life.accessed = life.accessed.max(known.unwrap_or(0));
        if now >= life.expires_at() {
            return Ok((life, None));
        }
        if access == Access::Touch && now > life.accessed.saturating_add(policy.touch_granularity) {
            life.accessed = now;
            note.insert_entry(now);
        }
        Ok((life, Some(now)))
    }
}
