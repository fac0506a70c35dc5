//! Finding the session that an ID opens.

use super::error::Error;
use super::touches::{Access, Touches};
use crate::clock::Millis;
use crate::engine::{EngineError, View};
use crate::model::{Handle, IdHash, Record, SessionId};

/// A namespace and an ID in it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) hash: IdHash,
    embedded_handle: Option<Handle>,
}

impl Key {
    pub(super) fn new(namespace: &str, id: &SessionId) -> Self {
        Self { namespace: namespace.into(), hash: IdHash::of(namespace, id), embedded_handle: id.embedded_handle() }
    }
}

/// A session that is live.
#[derive(Debug)]
pub(super) struct Live {
    /// The record, with the last access brought up to date.
    pub(super) record: Record,
    /// The moment at which it was found live.
    pub(super) now: Millis,
    /// Whether the ID by which it was found was rotated away and can only read.
    pub(super) retired: bool,
}

impl Live {
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

impl Touches {
    /// The live session that this ID opens.
    pub(super) fn find(&self, view: &dyn View, key: &Key, access: Access) -> Result<Option<Live>, EngineError> {
        let Some(mut record) = record_of(view, key, self.now())? else {
            return Ok(None);
        };
        let Some(now) = self.judge(&mut record, access, view)? else {
            return Ok(None);
        };
        let retired = record.credential(&key.hash, now).map(|credential| credential.retires_at.is_some());
        Ok(retired.map(|retired| Live { record, now, retired }))
    }

    /// The live session with this handle.
    pub(super) fn find_by_handle(
        &self,
        view: &dyn View,
        namespace: &str,
        handle: Handle,
    ) -> Result<Option<Live>, EngineError> {
        let Some(mut record) = view.record(handle)?.filter(|record| record.namespace == namespace) else {
            return Ok(None);
        };
        let now = self.judge(&mut record, Access::Peek, view)?;
        Ok(now.map(|now| Live { record, now, retired: false }))
    }
}

/// The record that this ID opens, expired or not. An ID that was rotated away opens nothing once its grace is over: it
/// must not keep the session alive, and may even be given to another session.
pub(super) fn record_of(view: &dyn View, key: &Key, now: Millis) -> Result<Option<Record>, EngineError> {
    let opens = |record: &Record| record.credential(&key.hash, now).is_some();
    if let Some(handle) = key.embedded_handle
        && let Some(record) = view.record(handle)?.filter(opens)
    {
        return Ok(Some(record));
    }
    // An ID that a caller chose; it may have the form of a minted one.
    match view.handle_of(&key.hash)? {
        Some(handle) => Ok(view.record(handle)?.filter(opens)),
        None => Ok(None),
    }
}
