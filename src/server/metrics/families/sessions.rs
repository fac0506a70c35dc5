//! Metrics of sessions and those who watch them.

use super::{Families, seconds};
use crate::server::metrics::Sources;
use crate::service::Snapshot;
use std::fmt;
use std::sync::atomic::Ordering;

/// At most so many namespaces have a series of their own.
const MAX_NAMESPACES: usize = 1_000;

/// The label of all others together. No namespace can have this name.
const OTHERS: &str = "(other)";

pub(in crate::server::metrics) fn write(
    families: &mut Families<'_, '_>,
    snapshot: &Snapshot,
    sources: &Sources,
) -> fmt::Result {
    let Snapshot { engine, counters, clock, watchers, slowest_watcher } = snapshot;
    let named = engine.sessions.iter().take(MAX_NAMESPACES).map(|(name, sessions)| (name.as_str(), *sessions));
    let is_complete = engine.sessions.len() <= MAX_NAMESPACES;
    let others: u64 = engine.sessions.values().skip(MAX_NAMESPACES).sum();
    let all = named.chain((!is_complete).then_some((OTHERS, others)));
    families.gauges(
        "sessiond_sessions",
        "Sessions that are stored, by namespace; expired ones count until they are swept.",
        all.map(|(name, sessions)| ([("namespace", name)], sessions)),
    )?;
    families.gauge("sessiond_namespaces", "Namespaces that have sessions.", engine.sessions.len())?;
    families.counter("sessiond_sessions_created", "Sessions that were created.", counters.created)?;
    families.counter("sessiond_sessions_expired", "Expired sessions that were removed.", counters.expired)?;
    families.counter("sessiond_sessions_deleted", "Sessions that were deleted.", counters.deleted)?;
    families.counter("sessiond_sessions_revoked", "Sessions that were revoked.", counters.revoked)?;
    families.counter(
        "sessiond_failed_lookups",
        "Session IDs that opened no session; many of them may be guesses.",
        counters.failed_lookups,
    )?;
    families.counter(
        "sessiond_delayed_lookups",
        "Answers that were held back because too many look-ups of a caller failed (setting max-failed-lookups).",
        sources.services.store.delayed_lookups(),
    )?;
    families.gauge(
        "sessiond_sweeper_lag_seconds",
        "For how long the session that waits longest for the sweeper has been due.",
        seconds(sources.sweeper_lag.load(Ordering::Relaxed)),
    )?;
    families.gauge("sessiond_events", "Events in the history.", engine.events)?;
    families.gauge("sessiond_events_bytes", "Bytes of the events in the history.", engine.event_bytes)?;
    families.gauge("sessiond_watchers", "Watch streams that are open.", *watchers)?;
    families.gauge(
        "sessiond_slowest_watcher_lag_events",
        "Events that the slowest watcher has not been sent yet.",
        *slowest_watcher,
    )?;
    families.counter(
        "sessiond_clock_steps",
        "How often the system's clock was set by more than a second.",
        clock.steps,
    )?;
    families.gauge(
        "sessiond_clock_ahead_seconds",
        "How far the time of the sessions is ahead of the system's clock.",
        if clock.ahead < 0 { -seconds(clock.ahead.unsigned_abs()) } else { seconds(clock.ahead.unsigned_abs()) },
    )
}
