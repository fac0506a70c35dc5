//! Finding the session that an ID opens.

use super::expiry::Access;
use super::touches::Touches;
use crate::clock::Millis;
use crate::engine::{EngineError, Expected, View};
use crate::model::{Handle, IdHash, Life, Record, SessionId};
use crate::session::error::Error;
use std::sync::Arc;

/// What the session of an ID is looked up by.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct LookupKey {
    pub(in crate::session) hash: IdHash,
    embedded_handle: Option<Handle>,
}

impl LookupKey {
    pub(in crate::session) fn new(namespace: &str, id: &SessionId) -> Self {
        Self { hash: IdHash::of(namespace, id), embedded_handle: id.embedded_handle() }
    }
}

/// Names the sessions of many IDs before they are asked for one by one.
pub(in crate::session) fn expect(view: &dyn View, keys: &[LookupKey]) -> Result<(), EngineError> {
    let handles: Vec<Handle> = keys.iter().filter_map(|key| key.embedded_handle).collect();
    let chosen = keys.iter().filter(|key| key.embedded_handle.is_none());
    let ids: Vec<IdHash> = chosen.map(|key| key.hash).collect();
    view.expect(Expected::Sessions(&handles))?;
    view.expect(Expected::Ids(&ids))
}

/// A session that is live.
#[derive(Debug)]
pub(in crate::session) struct Live {
    /// The record as it is stored.
    pub(in crate::session) record: Arc<Record>,
    /// How long the session lives, counted from its true last access.
    pub(in crate::session) life: Life,
    /// The moment at which it was found live.
    pub(in crate::session) now: Millis,
    /// Whether the ID by which it was found was rotated away and can only read.
    pub(in crate::session) retired: bool,
}

impl Live {
    /// A copy of the record with its true last access, to be changed.
    pub(in crate::session) fn to_record(&self) -> Record {
        with_life(&self.record, self.life)
    }

    /// Refuses IDs that can only read.
    pub(in crate::session) fn writable(self) -> Result<Self, Error> {
        if self.retired { Err(Error::IdRetired) } else { Ok(self) }
    }

    /// Refuses another version than the expected one.
    pub(in crate::session) fn check_version(&self, expected: Option<u64>) -> Result<(), Error> {
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
    /// How long the session lives, counted from its true last access.
    pub life: Life,
}

impl Seen {
    /// A copy of the record with its true last access.
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
pub(in crate::session) fn with_life(record: &Record, life: Life) -> Record {
    let mut record = record.clone();
    record.set_life(life);
    record
}

impl Touches {
    /// The live session that this ID opens, for a caller that only reads it.
    pub(in crate::session) fn find_to_read(
        &self,
        view: &dyn View,
        key: &LookupKey,
        access: Access,
    ) -> Result<Option<Seen>, EngineError> {
        Ok(self.judge_opened(view, key, access)?.map(|(seen, ..)| seen))
    }

    /// The live session that this ID opens.
    pub(in crate::session) fn find(
        &self,
        view: &dyn View,
        key: &LookupKey,
        access: Access,
    ) -> Result<Option<Live>, EngineError> {
        let opened = self.judge_opened(view, key, access)?;
        Ok(opened.map(|(Seen { record, life }, now, retired)| Live { record, life, now, retired }))
    }

    /// The live session that this ID opens, the moment at which it was found live, and whether the ID was rotated away.
    fn judge_opened(
        &self,
        view: &dyn View,
        key: &LookupKey,
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

    /// The record that this ID opens, expired or not, and whether the ID was rotated away. Once its grace is over, such an ID
    /// opens nothing: it must not keep the session alive, and another session may have got it.
    fn opened(&self, view: &dyn View, key: &LookupKey) -> Result<Option<(Arc<Record>, bool)>, EngineError> {
        let opened = |record: Arc<Record>| {
            let same = record.credentials.iter().filter(|credential| credential.hash == key.hash);
            // Most IDs were never rotated away, so the clock need not be read.
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
    pub(in crate::session) fn record_of(
        &self,
        view: &dyn View,
        key: &LookupKey,
    ) -> Result<Option<Arc<Record>>, EngineError> {
        Ok(self.opened(view, key)?.map(|(record, _)| record))
    }

    /// The live session with this handle.
    pub(in crate::session) fn find_by_handle(
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
