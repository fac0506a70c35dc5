//! A record's moment of expiry as the timeouts of a session.

use std::time::{Duration, SystemTime};

use sessiond_client::Timestamp;
use sessiond_client::proto::Timeouts;
use time::OffsetDateTime;

/// The longest timeout that the server takes, less a day, since it counts from a creation that may be a while ago.
const LONGEST: Duration = Duration::from_secs(3_659 * 24 * 60 * 60);

/// The idle timeout is so much longer than the session has left, so that the absolute end decides, however the clocks of
/// both machines differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// Timeouts that end a session at this moment; `None` if that is now or was before.
pub(crate) fn timeouts(end: OffsetDateTime, now: SystemTime) -> Option<Timeouts> {
    let left = SystemTime::from(end).duration_since(now).ok()?.min(LONGEST);
    (left >= Duration::from_millis(1)).then(|| Timeouts::new().idle(left + SLACK).expire_at(now + left))
}

/// The moment at which a session ends, in a record.
pub(crate) fn expiry_date(end: Option<Timestamp>) -> OffsetDateTime {
    let end = end.unwrap_or_default();
    let nanos = i128::from(end.seconds) * 1_000_000_000 + i128::from(end.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use sessiond_client::proto::timeouts::Absolute;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn end(timeouts: Option<Timeouts>) -> Option<Timestamp> {
        match timeouts?.absolute {
            Some(Absolute::AbsoluteExpireTime(end)) => Some(end),
            _ => None,
        }
    }

    #[test]
    fn a_session_ends_at_the_moment_of_its_record() {
        let record = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_234);
        let end = end(timeouts(record, NOW));
        assert_eq!(end, Some(Timestamp { seconds: 1, nanos: 234_000_000 }));
        assert_eq!(expiry_date(end), record);
    }

    #[test]
    fn what_has_ended_has_no_timeouts() {
        assert_eq!(timeouts(OffsetDateTime::UNIX_EPOCH, NOW), None);
        assert_eq!(timeouts(OffsetDateTime::UNIX_EPOCH - time::Duration::days(1), NOW), None);
    }

    #[test]
    fn an_end_that_is_too_far_away_is_the_farthest() {
        let record = OffsetDateTime::UNIX_EPOCH + time::Duration::days(1_000_000);
        assert_eq!(end(timeouts(record, NOW)).map(|end| end.seconds), Some(3_659 * 86_400));
    }
}
