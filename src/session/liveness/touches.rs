//! Last accesses that are not on disk yet.
//!
//! A touch only notes a time here; the maintenance task writes the notes in bulk. A crash may lose the touches since the last
//! such write: a session may then expire early, as if it had not been used since, but never late.

use crate::clock::{Clock, Millis};
use crate::engine::{EngineError, View};
use crate::model::Handle;
use crate::session::policy::Policies;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// With many shards, requests for different sessions rarely wait for each other.
const SHARDS: usize = 64;

/// The last access of each session. A fast hash will do: the server makes the handles, so nobody can choose them.
pub(super) type PendingTouches = HashMap<Handle, Millis, RandomState>;

/// The last accesses that are not on disk yet.
#[derive(Debug)]
pub(in crate::session) struct Touches {
    pub(super) clock: Clock,
    pub(super) policies: Arc<Policies>,
    shards: Vec<Mutex<PendingTouches>>,
}

impl Touches {
    pub(in crate::session) fn new(clock: Clock, policies: Arc<Policies>) -> Self {
        Self { clock, policies, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// The present moment.
    pub(in crate::session) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The last touch of a session, be it in memory or on disk.
    pub(in crate::session) fn last_touch(
        &self,
        handle: Handle,
        view: &dyn View,
    ) -> Result<Option<Millis>, EngineError> {
        known_touch(&self.shard(handle).entry(handle), view)
    }

    /// A copy of the notes of each shard, to be written.
    pub(in crate::session) fn pending(&self) -> impl Iterator<Item = Vec<(Handle, Millis)>> {
        self.shards.iter().map(|shard| lock(shard).iter().map(|(handle, at)| (*handle, *at)).collect())
    }

    /// Forgets notes that are on disk now, unless a later touch has replaced them.
    pub(in crate::session) fn written(&self, notes: &[(Handle, Millis)]) {
        for (handle, at) in notes {
            let mut shard = self.shard(*handle);
            if shard.get(handle) == Some(at) {
                shard.remove(handle);
            }
        }
    }

    /// The locked shard that has the note of this session.
    pub(super) fn shard(&self, handle: Handle) -> MutexGuard<'_, PendingTouches> {
        // The last byte of a handle is random.
        let at = usize::from(handle.to_bytes()[15]) % SHARDS;
        lock(&self.shards[at])
    }
}

/// Looked up under the lock, where a note can't be between memory and disk.
pub(super) fn known_touch(note: &Entry<'_, Handle, Millis>, view: &dyn View) -> Result<Option<Millis>, EngineError> {
    match note {
        Entry::Occupied(pending) => Ok(Some(*pending.get())),
        Entry::Vacant(vacant) => match view.touched(*vacant.key()) {
            // It is a hint: a damaged one is as good as none.
            Err(EngineError::Corrupt(_)) => Ok(None),
            touched => touched,
        },
    }
}

fn lock(shard: &Mutex<PendingTouches>) -> MutexGuard<'_, PendingTouches> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
