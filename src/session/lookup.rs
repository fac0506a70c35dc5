//! Finding the session that an ID opens.

use super::error::Error;
use super::touches::{Access, Touches};
use crate::clock::Millis;
use crate::engine::{EngineError, Expected, View};
use crate::model::{Handle, IdHash, Life, Record, SessionId};
use std::sync::Arc;

/// What an ID in a namespace is found by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) hash: IdHash,
    embedded_handle: Option<Handle>,
}

impl Key {
    pub(super) fn new(namespace: &str, id: &SessionId) -> Self {
        Self { hash: IdHash::of(namespace, id), embedded_handle: id.embedded_handle() }
    }
}

/// Names the sessions of many IDs before they are asked for one by one.
pub(super) fn expect(view: &dyn View, keys: &[Key]) -> Result<(), EngineError> {
    let handles: Vec<Handle> = keys.iter().filter_map(|key| key.embedded_handle).collect();
    let chosen = keys.iter().filter(|key| key.embedded_handle.is_none());
    let ids: Vec<IdHash> = chosen.map(|key| key.hash).collect();
    view.expect(Expected::Sessions(&handles))?;
    view.expect(Expected::Ids(&ids))
}

/// A session that is live.
#[derive(Debug)]
pub(super) struct Live {
    /// The record as it is stored.
    pub(super) record: Arc<Record>,
    /// How long the session lives, with the last access brought up to date.
    pub(super) life: Life,
    /// The moment at which it was found live.
    pub(super) now: Millis,
    /// Whether the ID by which it was found was rotated away and can only read.
    pub(super) retired: bool,
}

impl Live {
    /// A copy of the record with the last access brought up to date, to be changed.
    pub(super) fn to_record(&self) -> Record {
        with_life(&self.record, self.life)
    }

    /// Refuses IDs that can only read.
    pub(super) fn writable(self) -> Result<Self, Error> {
        if self.retired { Err(Error::IdRetired) } else { Ok(self) }
    }

    /// Refuses another version than the expected one.
    pub(super) fn check_version(&self, expected: Option<u64>) -> Result<(), Error> {
        let current = self.record.version;
        if expected.is_some_and(|expected| expected != current) {
            return Err(Error::VersionMismatch { current });
        }
        Ok(())
    }
}

/// A session as a read finds it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The record as it is stored.
    pub record: Arc<Record>,
    /// How long the session lives, with the last access brought up to date.
    pub life: Life,
}

impl Seen {
    /// A copy of the record with the last access brought up to date.
    #[must_use]
    pub fn to_record(&self) -> Record {
        with_life(&self.record, self.life)
    }
}

impl From<Live> for Seen {
    fn from(live: Live) -> Self {
        Self { record: live.record, life: live.life }
    }
}

/// A record as it has just been stored.
impl From<Arc<Record>> for Seen {
    fn from(record: Arc<Record>) -> Self {
        Self { life: record.life(), record }
    }
}

/// A copy of a record that lives so long.
pub(super) fn with_life(record: &Record, life: Life) -> Record {
    let mut record = record.clone();
    record.set_life(life);
    record
}

impl Touches {
    /// The live session that this ID opens, for who only reads it.
    pub(super) fn see(&self, view: &dyn View, key: &Key, access: Access) -> Result<Option<Seen>, EngineError> {
        Ok(self.judge_opened(view, key, access)?.map(|(seen, ..)| seen))
    }

    /// The live session that this ID opens.
    pub(super) fn find(&self, view: &dyn View, key: &Key, access: Access) -> Result<Option<Live>, EngineError> {
        let opened = self.judge_opened(view, key, access)?;
        Ok(opened.map(|(Seen { record, life }, now, retired)| Live { record, life, now, retired }))
    }

    /// The live session that this ID opens, the moment at which it was found live, and whether the ID was rotated away.
    fn judge_opened(
        &self,
        view: &dyn View,
        key: &Key,
        access: Access,
    ) -> Result<Option<(Seen, Millis, bool)>, EngineError> {
        let Some((record, retired)) = self.opened(view, key)? else {
            return Ok(None);
        };
        let (life, Some(now)) = self.judge(&record, access, view)? else {
            return Ok(None);
        };
        // The grace of an ID that was rotated away may have ended since.
        let opens = !retired || record.credential(&key.hash, now).is_some();
        Ok(opens.then_some((Seen { record, life }, now, retired)))
    }

    /// The record that this ID opens, expired or not, and whether the ID was rotated away. One that was opens nothing once
    /// its grace is over: it must not keep the session alive, and may even be given to another session.
    fn opened(&self, view: &dyn View, key: &Key) -> Result<Option<(Arc<Record>, bool)>, EngineError> {
        let opened = |record: Arc<Record>| {
            let same = record.credentials.iter().filter(|credential| credential.hash == key.hash);
            // Most were never rotated away, and so it takes no look at the clock.
            let mut open = same.filter(|credential| credential.retires_at.is_none_or(|end| self.now() < end));
            let retired = open.next()?.retires_at.is_some();
            Some((record, retired))
        };
        if let Some(handle) = key.embedded_handle
            && let Some(found) = view.record(handle)?.and_then(opened)
        {
            return Ok(Some(found));
        }
        // An ID that a caller chose; it may have the form of a minted one.
        match view.handle_of(&key.hash)? {
            Some(handle) => Ok(view.record(handle)?.and_then(opened)),
            None => Ok(None),
        }
    }

    /// The record that this ID opens, expired or not.
    pub(super) fn record_of(&self, view: &dyn View, key: &Key) -> Result<Option<Arc<Record>>, EngineError> {
        Ok(self.opened(view, key)?.map(|(record, _)| record))
    }

    /// The live session with this handle.
    pub(super) fn find_by_handle(
        &self,
        view: &dyn View,
        namespace: &str,
        handle: Handle,
    ) -> Result<Option<Live>, EngineError> {
        let Some(record) = view.record(handle)?.filter(|record| record.namespace == namespace) else {
            return Ok(None);
        };
        let (life, now) = self.judge(&record, Access::Peek, view)?;
        Ok(now.map(|now| Live { record, life, now, retired: false }))
    }
}
