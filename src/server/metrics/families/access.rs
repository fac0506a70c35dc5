//! Metrics of access. They are there if there is an access file.

use super::Families;
use crate::authorization::Authorizer;
use std::fmt;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, authorizer: &Authorizer) -> fmt::Result {
    families.gauge(
        "sessiond_access_stale",
        "1 if the files of access rules can't be used as they are now, and older rules are in force.",
        u64::from(*authorizer.staleness().borrow()),
    )?;
    families.counter(
        "sessiond_unauthenticated_calls",
        "Calls of which nothing told who makes them, or whose token does not hold.",
        authorizer.unauthenticated(),
    )?;
    let denials = authorizer.denials();
    let failed = authorizer.failed_lookups();
    families.counters(
        "sessiond_caller_failed_lookups",
        "Look-ups of IDs that opened no session, by callers.",
        failed.iter().map(|(caller, failed)| ([("caller", caller.as_str())], *failed)),
    )?;
    families.counters(
        "sessiond_denied_calls",
        "Calls that their callers may not make.",
        denials.iter().map(|(caller, permission, denied)| {
            ([("caller", caller.as_str()), ("permission", permission.name())], *denied)
        }),
    )
}
