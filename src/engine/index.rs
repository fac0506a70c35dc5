//! The index rows of a record. They lead to it from a list of sessions, from an ID that a caller chose, and from the
//! sweeper.
//!
//! They are derived here and nowhere else. A change writes the difference between the rows of two states. A removal
//! removes all rows. A rebuilt index is filled with them, and a check looks whether they are there.

use super::EngineError;
use super::transaction::{Change, Due, SessionList, View};
use crate::clock::Millis;
use crate::model::{IdHash, Record};
use smol_str::SmolStr;

/// One index row of a record. It borrows from the record: most changes keep their rows, and a row that is kept needs no
/// key, which may be a hash to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexRow<'a> {
    /// Its row in the list of its namespace.
    Namespace(&'a SmolStr),
    /// Its row in the list of its principal: the namespace, and the principal.
    Principal(&'a SmolStr, &'a SmolStr),
    /// Its lookup row, for an ID that a caller chose.
    Lookup(&'a IdHash),
    /// When the sweeper looks at it.
    Due(Millis),
}

/// The rows of a record, in the order in which they are written.
pub(crate) fn rows_of(record: &Record) -> impl Iterator<Item = IndexRow<'_>> {
    let principal = Some(&record.principal).filter(|principal| !principal.is_empty());
    let chosen = record.credentials.iter().filter(|credential| credential.chosen);
    std::iter::once(IndexRow::Namespace(&record.namespace))
        .chain(principal.map(|principal| IndexRow::Principal(&record.namespace, principal)))
        .chain(chosen.map(|credential| IndexRow::Lookup(&credential.hash)))
        .chain(std::iter::once(IndexRow::Due(record.sweep_at)))
}

/// The rows of a record that another state of it does not have.
pub(crate) fn rows_beyond<'a>(record: &'a Record, other: Option<&'a Record>) -> impl Iterator<Item = IndexRow<'a>> {
    rows_of(record).filter(move |row| other.is_none_or(|other| !row.is_of(other)))
}

/// The rows of a record that may not be there after the state before it.
pub(crate) fn rows_to_put<'a>(record: &'a Record, previous: Option<&'a Record>) -> impl Iterator<Item = IndexRow<'a>> {
    rows_of(record)
        .filter(move |row| previous.is_none_or(|previous| !row.is_of(previous) || row.is_regained(record, previous)))
}

impl IndexRow<'_> {
    /// Whether this is the row of an ID that was rotated away and that the session has got again. Since its grace ended, another
    /// session may have had it, and have taken the row along when it ended.
    fn is_regained(&self, record: &Record, previous: &Record) -> bool {
        let Self::Lookup(hash) = self else { return false };
        let is_own = |record: &Record| {
            record.credentials.iter().any(|own| own.chosen && own.hash == **hash && own.retires_at.is_none())
        };
        is_own(record) && !is_own(previous)
    }

    /// Whether a record has this row. The record must be of the same session, so its namespace and handle are not
    /// compared.
    fn is_of(&self, record: &Record) -> bool {
        match *self {
            IndexRow::Namespace(_) => true,
            IndexRow::Principal(_, principal) => record.principal == *principal,
            IndexRow::Lookup(hash) => record.credentials.iter().any(|own| own.chosen && own.hash == *hash),
            IndexRow::Due(at) => record.sweep_at == at,
        }
    }

    /// The step that writes the row.
    pub(crate) fn put(self, record: &Record) -> Change {
        match self {
            IndexRow::Lookup(hash) => Change::PutLookup(*hash, record.handle),
            IndexRow::Due(at) => Change::PutDue(Due { at, handle: record.handle }),
            IndexRow::Namespace(_) | IndexRow::Principal(..) => Change::PutMember(self.list(), record.handle),
        }
    }

    /// The step that removes the row.
    pub(crate) fn remove(self, record: &Record) -> Change {
        match self {
            IndexRow::Lookup(hash) => Change::RemoveLookup(*hash),
            IndexRow::Due(at) => Change::RemoveDue(Due { at, handle: record.handle }),
            IndexRow::Namespace(_) | IndexRow::Principal(..) => Change::RemoveMember(self.list(), record.handle),
        }
    }

    /// The list to which a row belongs; for other rows a list without sessions.
    fn list(self) -> SessionList {
        match self {
            IndexRow::Namespace(namespace) => SessionList::Namespace(namespace.clone()),
            IndexRow::Principal(namespace, principal) => SessionList::of(namespace, principal),
            IndexRow::Lookup(_) | IndexRow::Due(_) => SessionList::Namespace(SmolStr::default()),
        }
    }

    /// Whether the view has the row.
    pub(super) fn is_in(self, view: &dyn View, record: &Record) -> Result<bool, EngineError> {
        match self {
            IndexRow::Lookup(hash) => Ok(view.handle_of(hash)? == Some(record.handle)),
            IndexRow::Due(at) => view.has_due(Due { at, handle: record.handle }),
            IndexRow::Namespace(_) | IndexRow::Principal(..) => view.has_member(&self.list(), record.handle),
        }
    }
}

/// Whether all index rows of this record are there and can be read, and its last touch, too. The lookup row of an ID
/// that no longer opens the record is not needed, because the ID may lead to another session by now.
///
/// The record must be the one in the view, and no change may be under way.
pub(crate) fn is_indexed(view: &dyn View, record: &Record, now: Millis) -> Result<bool, EngineError> {
    match has_rows(view, record, now) {
        Err(EngineError::Corrupt(_)) => Ok(false),
        result => result,
    }
}

fn has_rows(view: &dyn View, record: &Record, now: Millis) -> Result<bool, EngineError> {
    for row in rows_of(record) {
        let opens = |hash: &IdHash| record.credential(hash, now).is_some();
        let is_needed = !matches!(row, IndexRow::Lookup(hash) if !opens(hash));
        if is_needed && !row.is_in(view, record)? {
            return Ok(false);
        }
    }
    view.touched(record.handle)?;
    Ok(true)
}
