//! How often callers were told each error. The counts belong to the process, since statuses are made where no server is at
//! hand.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reasons of errors, but for those that have only the name of a code of gRPC: these count together, as the last.
const REASONS: [&str; 35] = [
    "ANSWERS_NOT_TAKEN",
    "BACKUP_INVALID",
    "BACKUP_RUNNING",
    "BACKUP_TOO_SLOW",
    "BATCH_TOO_LARGE",
    "DEADLINE_EXCEEDED",
    "EVENTS_GONE",
    "HANDOFF_INVALID",
    "HEADERS_TOO_LARGE",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "IN_MEMORY",
    "LOCK_HELD",
    "LOCK_LOST",
    "MESSAGE_TOO_LARGE",
    "NOT_EMPTY",
    "NOT_READY",
    "PERMISSION_DENIED",
    "REQUEST_TOO_SLOW",
    MET_DAMAGE,
    "SESSION_ID_RETIRED",
    "SESSION_ID_TAKEN",
    "SESSION_LIMIT_REACHED",
    "SESSION_NOT_FOUND",
    "SESSION_TOO_LARGE",
    REFUSED_FOR_SPACE,
    "TOO_MANY_REQUESTS",
    "UNAUTHENTICATED",
    "UNKNOWN_METHOD",
    "UNSUPPORTED_CONTENT_TYPE",
    "UNSUPPORTED_ENCODING",
    "VERIFY_RUNNING",
    "VERSION_MISMATCH",
    "WATCHER_TOO_SLOW",
    "OTHER",
];

/// Requests that were refused for lack of disk space.
pub(in crate::service) const REFUSED_FOR_SPACE: &str = "STORAGE_FULL";

/// Requests that met damaged data.
pub(in crate::service) const MET_DAMAGE: &str = "SESSION_CORRUPT";

static COUNTS: [AtomicU64; REASONS.len()] = [const { AtomicU64::new(0) }; REASONS.len()];

/// Counts an error with this reason.
pub(super) fn count(reason: &str) {
    COUNTS[place_of(reason)].fetch_add(1, Ordering::Relaxed);
}

/// How many errors with this reason there were since the process started.
pub(in crate::service) fn count_of(reason: &str) -> u64 {
    COUNTS[place_of(reason)].load(Ordering::Relaxed)
}

/// The same for every reason.
pub(crate) fn errors_by_reason() -> impl Iterator<Item = (&'static str, u64)> {
    REASONS.into_iter().map(|reason| (reason, count_of(reason)))
}

fn place_of(reason: &str) -> usize {
    REASONS.iter().position(|known| *known == reason).unwrap_or(REASONS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract lists every reason that a method may give, in a table with one line for each.
    const CONTRACT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/sessiond/v1/session_store.proto"));

    #[test]
    fn every_reason_of_the_contract_is_counted_by_its_name() {
        let is_name = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let rows = CONTRACT.lines().filter_map(|line| line.strip_prefix("//   "));
        let reasons = rows.filter_map(|row| match row.split_whitespace().collect::<Vec<_>>()[..] {
            [code, reason, ..] if is_name(code) && is_name(reason) => Some(reason),
            _ => None,
        });
        let reasons: Vec<&str> = reasons.collect();
        assert!(reasons.len() > 30, "the table was not found: {reasons:?}");
        for reason in reasons {
            assert!(REASONS.contains(&reason), "{reason} would be counted as OTHER");
        }
    }
}
