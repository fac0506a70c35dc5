//! Checks against bounds, and times in milliseconds.

use crate::clock::Millis;
use crate::session::Error;
use prost_types::{Duration, Timestamp};
use std::ops::RangeInclusive;

/// A duration within its bounds; the default if it is left out.
pub(super) fn bounded(
    field: &str,
    duration: Option<Duration>,
    default: Millis,
    bounds: RangeInclusive<Millis>,
    shown: &str,
) -> Result<Millis, Error> {
    let millis = duration.map_or(Some(default), to_millis);
    millis.filter(|millis| bounds.contains(millis)).ok_or_else(|| Error::invalid(field, format!("must be {shown}")))
}

/// Drops fractions of a millisecond; `None` if the duration is negative or malformed.
pub(super) fn to_millis(duration: Duration) -> Option<Millis> {
    join_millis(duration.seconds, duration.nanos)
}

/// Drops fractions of a millisecond; `None` if the moment lies before 1970 or is malformed.
pub(super) fn moment_to_millis(moment: Timestamp) -> Option<Millis> {
    join_millis(moment.seconds, moment.nanos)
}

fn join_millis(seconds: i64, nanos: i32) -> Option<Millis> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(nanos / 1_000_000)
}

/// A request that sets more than any session may have is refused as that session would be.
pub(super) fn check_fits(subject: &'static str, actual: usize, limit: usize) -> Result<(), Error> {
    if actual <= limit { Ok(()) } else { Err(Error::TooLarge { subject, limit, actual }) }
}

pub(super) fn check_count(field: &str, count: usize, max: usize) -> Result<(), Error> {
    if count <= max {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("has {count} entries; at most {max} are allowed")))
    }
}

pub(super) fn check_length(field: &str, what: &str, length: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&length) {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("{what} must have {min} to {max} bytes, not {length}")))
    }
}

pub(super) fn in_map(field: &str, name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    format!("{field}[{shown:?}]")
}
