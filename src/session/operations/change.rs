//! A change of a session's data, and the rules by which it is applied to a record.

use crate::clock::Millis;
use crate::model::{Attribute, MAX_LABELS, Record};
use crate::session::error::Error;
use crate::session::policy::{MAX_TIMEOUT, Policy};
use std::collections::BTreeMap;

/// What to change; what it does not name stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SessionChange {
    /// Attributes to set.
    pub set_attributes: Vec<Attribute>,
    /// Names of attributes to remove.
    pub remove_attributes: Vec<String>,
    /// Remove all attributes first.
    pub clear_attributes: bool,
    /// The new principal; empty for nobody.
    pub principal: Option<String>,
    /// Labels to set.
    pub set_labels: BTreeMap<String, String>,
    /// Names of labels to remove.
    pub remove_labels: Vec<String>,
    /// New timeouts, replacing both.
    pub timeouts: Option<Timeouts>,
}

/// How long a session lives. What is left out follows the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// After its last access.
    pub idle: Option<Millis>,
    /// At the latest, however busy it is.
    pub absolute: Option<AbsoluteEnd>,
}

/// When a session ends however busy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsoluteEnd {
    /// So long after its creation.
    After(Millis),
    /// At this moment.
    At(Millis),
}

impl SessionChange {
    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set_attributes.is_empty()
            && self.remove_attributes.is_empty()
            && !self.clear_attributes
            && self.principal.is_none()
            && self.set_labels.is_empty()
            && self.remove_labels.is_empty()
            && self.timeouts.is_none()
    }

    /// Applies the change to the record's data. If it is refused, the record may be left half changed.
    pub(super) fn apply(&self, record: &mut Record, now: Millis, policy: &Policy) -> Result<(), Error> {
        if self.clear_attributes {
            record.attributes.clear();
        }
        record.attributes.change(&self.remove_attributes, &self.set_attributes);
        if let Some(principal) = &self.principal {
            record.principal = principal.into();
        }
        for name in &self.remove_labels {
            record.labels.remove(name);
        }
        record.labels.extend(self.set_labels.clone());
        if let Some(timeouts) = self.timeouts {
            timeouts.apply(record, now, policy)?;
        }
        check_limits(record, policy)
    }
}

impl Timeouts {
    fn apply(self, record: &mut Record, now: Millis, policy: &Policy) -> Result<(), Error> {
        let ends_at = match self.absolute {
            Some(AbsoluteEnd::At(end)) => Some(check_end(end, record.created, now)?),
            Some(AbsoluteEnd::After(timeout)) => Some(record.created.saturating_add(timeout)),
            None => policy.absolute_timeout.map(|timeout| record.created.saturating_add(timeout)),
        };
        record.idle_timeout = self.idle.unwrap_or(policy.idle_timeout);
        record.ends_at = ends_at;
        Ok(())
    }
}

fn check_end(end: Millis, created: Millis, now: Millis) -> Result<Millis, Error> {
    let field = "timeouts.absolute_expire_time";
    if end <= now {
        return Err(Error::invalid(field, "must lie in the future"));
    }
    if end > created.saturating_add(MAX_TIMEOUT) {
        return Err(Error::invalid(field, "must lie at most 3660 days after the session's creation"));
    }
    Ok(end)
}

fn check_limits(record: &Record, policy: &Policy) -> Result<(), Error> {
    let limits = [
        ("the session's size in bytes", record.size(), policy.max_session_bytes),
        ("the number of attributes", record.attributes.len(), policy.max_attributes),
        ("the number of labels", record.labels.len(), MAX_LABELS),
    ];
    for (subject, actual, limit) in limits {
        if actual > limit {
            return Err(Error::TooLarge { subject, limit, actual });
        }
    }
    Ok(())
}
