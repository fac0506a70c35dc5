//! Which index rows belong to a record.

use super::EngineError;
use super::transaction::{Due, Group, View};
use crate::clock::Millis;
use crate::model::Record;

/// Whether everything that leads to this record is there and can be read: its places in the lists, in the sweeper's index,
/// and under the chosen IDs that open it at this moment; and also its last touch.
///
/// The record must be the one in the view, and no change may be under way.
pub(crate) fn is_indexed(view: &dyn View, record: &Record, now: Millis) -> Result<bool, EngineError> {
    match has_rows(view, record, now) {
        Err(EngineError::Corrupt(_)) => Ok(false),
        result => result,
    }
}

fn has_rows(view: &dyn View, record: &Record, now: Millis) -> Result<bool, EngineError> {
    let handle = record.handle;
    // Without a principal the two are one.
    for principal in ["", &record.principal] {
        if !view.has_member(&Group::of(&record.namespace, principal), handle)? {
            return Ok(false);
        }
    }
    for credential in record.credentials.iter().filter(|credential| credential.chosen && credential.opens_at(now)) {
        if view.handle_of(&credential.hash)? != Some(handle) {
            return Ok(false);
        }
    }
    view.touched(handle)?;
    view.has_due(Due { at: record.sweep_at, handle })
}
