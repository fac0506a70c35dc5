//! The caller of a call.

use super::authorizer::{Authorizer, Credential};
use super::permission::{Permission, Permissions};
use super::rate::{Pace, Rate};
use crate::call_record::{CallRecord, Notes};
use crate::clock::time_of_day;
use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::sleep;

/// How often the end of a token is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// Who makes a call, and what it may do. Where there is no access file nobody is asked, and everybody may do everything. With
/// it goes the record of the call, if one is kept.
#[derive(Clone, Debug)]
pub struct Caller {
    found: Option<Arc<Authenticated>>,
    record: Option<CallRecord>,
}

/// A caller that was found.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) authorizer: Authorizer,
    pub(super) credential: Credential,
    /// Of the rules by which it was found.
    pub(super) generation: u64,
    pub(super) known: Arc<KnownCaller>,
    /// When its token ends.
    pub(super) expires: Option<SystemTime>,
}

/// A caller of the access file.
#[derive(Debug)]
pub(super) struct KnownCaller {
    pub(super) name: String,
    pub(super) grants: Grants,
    /// Calls that it may make in a second; `None` for any number.
    pub(super) max_calls: Option<u32>,
    pub(super) counters: Arc<CallerCounters>,
}

/// What a caller may do.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// In every namespace, and of the server.
    pub(super) everywhere: Permissions,
    /// They are few, and comparing names costs each call less than hashing one.
    pub(super) in_namespaces: BTreeMap<Box<str>, Permissions>,
}

/// What is counted of a caller.
#[derive(Debug, Default)]
pub(super) struct CallerCounters {
    /// Calls that were denied, by the permission that they needed.
    denied: [AtomicU64; Permission::ALL.len()],
    calls: Rate,
    failed_lookups: AtomicU64,
    pub(super) failed_lookup_rate: Rate,
}

impl CallerCounters {
    pub(super) fn denied(&self, permission: Permission) -> u64 {
        self.denied[permission as usize].load(Ordering::Relaxed)
    }

    pub(super) fn failed_lookups(&self) -> u64 {
        self.failed_lookups.load(Ordering::Relaxed)
    }
}

/// Why a call is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing tells who calls.
    #[error(
        "nothing tells who calls; send a token, or use a certificate or a user that the server's access-file names"
    )]
    Unknown,
    /// The header `authorization` holds no token.
    #[error("the header authorization must be one, of the form: Bearer TOKEN")]
    Malformed,
    /// The token is not one of those that hold.
    #[error("the token is unknown, revoked or expired")]
    Token,
    /// The caller may not do this.
    #[error("the caller {caller} has no permission {permission} in {}", place(namespace.as_deref()))]
    NotAllowed {
        /// The name of the caller.
        caller: String,
        /// What it would need.
        permission: Permission,
        /// Where; `None` for all namespaces.
        namespace: Option<String>,
    },
    /// The caller makes too many calls.
    #[error("the caller {caller} makes more than {limit} calls a second (its max-calls-per-second in access-file)")]
    TooManyCalls {
        /// The name of the caller.
        caller: String,
        /// How many it may make in a second.
        limit: u32,
    },
}

fn place(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "all namespaces".into(), |namespace| format!("the namespace {namespace}"))
}

impl Caller {
    /// Whoever it is: there is no access file.
    #[must_use]
    pub fn anybody() -> Self {
        Self { found: None, record: None }
    }

    pub(super) fn found(authenticated: Authenticated) -> Self {
        Self { found: Some(Arc::new(authenticated)), record: None }
    }

    /// Its name in the access file.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.found.as_ref().map(|found| found.known.name.as_str())
    }

    /// The caller of a call of which this record is kept.
    #[must_use]
    pub fn recorded(self, record: CallRecord) -> Self {
        record.note(|notes| notes.caller = self.name().map(str::to_owned));
        Self { record: Some(record), ..self }
    }

    /// The same caller, of other calls.
    #[must_use]
    pub fn unrecorded(self) -> Self {
        Self { record: None, ..self }
    }

    /// The record of the call.
    #[must_use]
    pub fn record(&self) -> Option<&CallRecord> {
        self.record.as_ref()
    }

    /// Notes what is found out about the call, if a record of it is kept.
    pub fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(record) = &self.record {
            record.note(note);
        }
    }

    /// When the engine is asked; `None` unless a span tells of it, so that no other call reads the clock.
    #[must_use]
    pub fn asks_engine(&self) -> Option<Instant> {
        self.record.as_ref().filter(|record| record.has_span()).map(|_| Instant::now())
    }

    /// Notes that the engine, which was asked then, has answered.
    pub fn note_engine(&self, asked: Option<Instant>) {
        if let Some(asked) = asked {
            self.note(|notes| notes.engine = Some((asked, asked.elapsed())));
        }
    }

    /// Tells of an administrative call that may last long.
    pub fn note_begun(&self) {
        if let Some(record) = &self.record {
            record.begun();
        }
    }

    /// Makes sure that a call may do this in a namespace, or in all of them. A denial is counted and logged.
    pub fn check(&self, permission: Permission, namespace: Option<&str>) -> Result<(), Denied> {
        let Some(found) = &self.found else { return Ok(()) };
        let KnownCaller { name, max_calls, counters, .. } = &*found.known;
        if let Some(limit) = *max_calls
            && counters.calls.count(1, limit.into(), Duration::ZERO) == Pace::Above
        {
            return Err(Denied::TooManyCalls { caller: name.clone(), limit });
        }
        self.permits(permission, namespace)
    }

    fn permits(&self, permission: Permission, namespace: Option<&str>) -> Result<(), Denied> {
        let Some(found) = &self.found else { return Ok(()) };
        let known = &found.known;
        if known.grants.allow(permission, namespace) {
            return Ok(());
        }
        known.counters.denied[permission as usize].fetch_add(1, Ordering::Relaxed);
        tracing::warn!(caller = known.name, permission = permission.name(), namespace, "a call was denied");
        Err(Denied::NotAllowed { caller: known.name.clone(), permission, namespace: namespace.map(str::to_owned) })
    }

    /// Counts look-ups of sessions that its calls did not find. Returns the rate of all of them.
    #[must_use]
    pub fn count_failed_lookups(&self, failed: u64) -> Option<&Rate> {
        let counters = &self.found.as_ref()?.known.counters;
        counters.failed_lookups.fetch_add(failed, Ordering::Relaxed);
        Some(&counters.failed_lookup_rate)
    }

    /// The same caller by the rules as they are now; `None` if it is by those already.
    #[must_use]
    pub fn renew(&self) -> Option<Result<Self, Denied>> {
        let found = self.found.as_ref()?;
        if found.generation == found.authorizer.generation() && !found.has_expired() {
            return None;
        }
        Some(found.authorizer.authenticate_again(&found.credential))
    }

    /// Waits until it may not do this any more, if that ever happens.
    pub async fn denied(mut self, permission: Permission, namespace: Option<String>) -> Denied {
        loop {
            let Some(found) = &self.found else { return pending().await };
            let mut changes = found.authorizer.changes();
            tokio::select! {
                // It can't end while the caller holds the authorizer.
                _ = changes.wait_for(|generation| *generation != found.generation) => {}
                () = found.expired() => {}
            }
            let renewed = self.renew().unwrap_or_else(|| Ok(self.clone()));
            match renewed.and_then(|renewed| renewed.permits(permission, namespace.as_deref()).map(|()| renewed)) {
                Ok(renewed) => self = renewed,
                Err(denied) => return denied,
            }
        }
    }
}

impl Authenticated {
    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= time_of_day())
    }

    /// Waits until the token has ended, looking at least once an hour: the time of day may be set.
    async fn expired(&self) {
        let Some(expires) = self.expires else { return pending().await };
        while let Ok(left) = expires.duration_since(time_of_day()) {
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK_EVERY)).await;
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("anybody"))
    }
}
