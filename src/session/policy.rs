//! What a site allows in each namespace, and its defaults where a request says nothing.

use crate::clock::Millis;
use crate::engine::Cause;
use crate::model::{EventKind, Life, Record};
use std::collections::HashMap;

/// No timeout may be longer: 3,660 days, ten years.
pub const MAX_TIMEOUT: Millis = 3_660 * 24 * 60 * 60 * 1_000;

/// The longest grace of a rotated ID: 60 s.
pub const MAX_GRACE: Millis = 60_000;

/// Defaults and limits of the sessions of a namespace.
///
/// A changed policy holds from the next start of the server. Defaults apply to sessions and timeouts that are set from then
/// on. Maxima also apply to sessions that exist already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The idle timeout of sessions that name none.
    pub idle_timeout: Millis,
    /// The absolute timeout of sessions that name none; `None` if they have none.
    pub absolute_timeout: Option<Millis>,
    /// The longest idle timeout, whatever the session asked for.
    pub max_idle_timeout: Millis,
    /// The longest absolute timeout, whatever the session asked for; `None` for no bound.
    pub max_absolute_timeout: Option<Millis>,
    /// Bytes of attributes, labels and principal.
    pub max_session_bytes: usize,
    /// Attributes of a session.
    pub max_attributes: usize,
    /// Sessions of the namespace; `None` for any number. Those that have expired count until they are swept.
    pub max_sessions: Option<usize>,
    /// Live sessions of one principal; `None` for any number.
    pub max_sessions_per_principal: Option<usize>,
    /// What happens when a principal has as many sessions as it may.
    pub at_session_limit: AtSessionLimit,
    /// A touch within this time after the last one is ignored, which saves work. The last access may lag by as much.
    pub touch_granularity: Millis,
    /// The longest grace of a rotation, whatever it asked for.
    pub max_rotation_grace: Millis,
    /// Whether events that end a session keep its last attributes. Those of sealed sessions never do.
    pub event_attributes: bool,
    /// Whether attributes are sealed under the session's ID when a session is written.
    pub sealed: bool,
}

/// What happens when a principal has as many sessions as it may and would get another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtSessionLimit {
    /// The new session is refused with `RESOURCE_EXHAUSTED`.
    Refuse,
    /// The principal's oldest session is revoked.
    EndOldest,
}

/// The policies of all namespaces.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Of namespaces that have none of their own.
    pub default: Policy,
    /// Of the others.
    pub namespaces: HashMap<String, Policy>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle_timeout: 24 * 60 * 60 * 1_000,
            absolute_timeout: None,
            max_idle_timeout: MAX_TIMEOUT,
            max_absolute_timeout: None,
            max_session_bytes: 256 << 10,
            max_attributes: 1_024,
            max_sessions: None,
            max_sessions_per_principal: None,
            at_session_limit: AtSessionLimit::Refuse,
            touch_granularity: 0,
            max_rotation_grace: MAX_GRACE,
            event_attributes: false,
            sealed: false,
        }
    }
}

impl Policy {
    /// Whether sessions may get less than they asked for.
    pub(super) fn has_maxima(&self) -> bool {
        self.max_idle_timeout < MAX_TIMEOUT || self.max_absolute_timeout.is_some()
    }

    /// Applies the maxima to a session. They may be stricter now than when it was stored.
    pub(super) fn bound(&self, record: &mut Record) {
        record.set_life(self.bounded_life(record));
    }

    /// How long a session lives by its record and the maxima.
    pub(super) fn bounded_life(&self, record: &Record) -> Life {
        let mut life = record.life();
        life.idle_timeout = life.idle_timeout.min(self.max_idle_timeout);
        if let Some(max) = self.max_absolute_timeout {
            let end = record.created.saturating_add(max);
            life.ends_at = Some(life.ends_at.map_or(end, |asked| asked.min(end)));
        }
        life
    }
}

impl Policies {
    /// The policy of a namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> &Policy {
        self.namespaces.get(namespace).unwrap_or(&self.default)
    }

    /// All policies.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        std::iter::once(&self.default).chain(self.namespaces.values())
    }

    /// Why a session of the namespace changes or goes, for the history.
    pub(super) fn cause(&self, kind: EventKind, namespace: &str, time: Millis) -> Cause {
        let keep_attributes = kind.ends_session() && self.of(namespace).event_attributes;
        Cause { kind, time, keep_attributes }
    }
}
