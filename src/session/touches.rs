//! Last accesses that are not on disk yet, and the judgement whether a session is live, which rests on them.
//!
//! A touch only notes a time here; a task writes the notes back in bulk. After a crash a session may so expire early, by
//! at most the interval between two write-backs, and never late.

use super::policy::Policies;
use crate::clock::{Clock, Millis};
use crate::engine::{EngineError, View};
use crate::model::{Handle, Life, Record};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps requests for different sessions out of each other's way.
const SHARDS: usize = 64;

/// The last access of each session. Who may guess at hashes gains nothing: handles are made by the server.
type Notes = HashMap<Handle, Millis, RandomState>;

/// What to do with a session that is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Slide its idle timeout.
    Touch,
    /// Leave it as it is.
    Peek,
}

/// The last accesses that are not on disk yet.
#[derive(Debug)]
pub(super) struct Touches {
    clock: Clock,
    policies: Arc<Policies>,
    shards: Vec<Mutex<Notes>>,
}

impl Touches {
    pub(super) fn new(clock: Clock, policies: Arc<Policies>) -> Self {
        Self { clock, policies, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// The present moment.
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Judges whether a session is live: how long it lives by its record, the policy and the last access, and the present
    /// moment, or `None` if it has expired.
    ///
    /// Reading the clock, judging and touching happen under one lock per session: once anyone has found a session
    /// expired, no touch that began earlier can bring it back.
    pub(super) fn judge(
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

    /// The last touch of a session, be it in memory or on disk.
    pub(super) fn last_touch(&self, handle: Handle, view: &dyn View) -> Result<Option<Millis>, EngineError> {
        known_touch(&self.shard(handle).entry(handle), view)
    }

    /// A copy of the notes of each shard, to be written back.
    pub(super) fn pending(&self) -> impl Iterator<Item = Vec<(Handle, Millis)>> {
        self.shards.iter().map(|shard| lock(shard).iter().map(|(handle, at)| (*handle, *at)).collect())
    }

    /// Forgets notes that are on disk now, unless a later touch has replaced them.
    pub(super) fn written(&self, notes: &[(Handle, Millis)]) {
        for (handle, at) in notes {
            let mut shard = self.shard(*handle);
            if shard.get(handle) == Some(at) {
                shard.remove(handle);
            }
        }
    }

    fn shard(&self, handle: Handle) -> MutexGuard<'_, Notes> {
        // The last byte of a handle is random.
        let at = usize::from(handle.to_bytes()[15]) % SHARDS;
        lock(&self.shards[at])
    }
}

/// Looked up under the lock, where a note can't be between memory and disk.
fn known_touch(note: &Entry<'_, Handle, Millis>, view: &dyn View) -> Result<Option<Millis>, EngineError> {
    match note {
        Entry::Occupied(pending) => Ok(Some(*pending.get())),
        Entry::Vacant(vacant) => match view.touched(*vacant.key()) {
            // A damaged one is as good as none: it is a hint.
            Err(EngineError::Corrupt(_)) => Ok(None),
            touched => touched,
        },
    }
}

fn lock(shard: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
