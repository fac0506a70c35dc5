//! Walking over what is stored so that damage doesn't end the walk.

use crate::engine::{EngineError, place_behind};

/// A step of such a walk.
pub(in crate::session) enum Step<T> {
    Read(Vec<T>),
    /// What follows can't be read, up to this place.
    Skipped(u128),
}

/// Reads what follows a place, at most `limit`; the closer it is to damage, the less of it.
pub(in crate::session) fn step<T>(
    after: u128,
    end: u128,
    mut limit: usize,
    read: impl Fn(u128, usize) -> Result<Vec<T>, EngineError>,
) -> Result<Step<T>, EngineError> {
    loop {
        match read(after, limit) {
            Err(EngineError::Corrupt(_)) if limit > 1 => limit /= 2,
            Err(EngineError::Corrupt(_)) => break,
            read => return read.map(Step::Read),
        }
    }
    let readable = |place| match read(place, 1) {
        Err(EngineError::Corrupt(_)) => Ok(false),
        read => read.map(|_| true),
    };
    place_behind(after, end, readable).map(Step::Skipped)
}

/// The sequence number at a place of the history.
pub(in crate::session) fn sequence_at(place: u128) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX)
}
