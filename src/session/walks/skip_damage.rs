//! Walking over what is stored so that damage doesn't end the walk: it goes on behind what can't be read.

use crate::engine::{EngineError, place_behind};

/// A step of such a walk.
pub(in crate::session) enum Step<T> {
    Read(Vec<T>),
    /// What follows can't be read, up to this position.
    Skipped(u128),
}

/// Reads at most `limit` rows behind a position, fewer close to damage; or finds where the damage that begins there ends.
pub(in crate::session) fn read_or_skip<T>(
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
    let readable = |position| match read(position, 1) {
        Err(EngineError::Corrupt(_)) => Ok(false),
        read => read.map(|_| true),
    };
    place_behind(after, end, readable).map(Step::Skipped)
}

/// The sequence number at a position of the history.
pub(in crate::session) fn sequence_at(position: u128) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}
