//! Which events a watcher wants, and from where on.

use super::bounds::bounded;
use super::{namespace, principal};
use crate::authorization::{Caller, Permission};
use crate::clock::Millis;
use crate::model::{Event, EventKind, MalformedToken, ResumeToken};
use crate::proto;
use crate::session::Error;
use prost_types::Duration;
use std::ops::RangeInclusive;
use tonic::Status;

const DEFAULT_CHECKPOINT_INTERVAL: Millis = 10_000;
const CHECKPOINT_INTERVALS: RangeInclusive<Millis> = 100..=3_600_000;

/// Which events a watcher wants.
#[derive(Debug)]
pub(in crate::service) struct EventFilter {
    /// `None` for every namespace.
    pub(in crate::service) namespace: Option<String>,
    /// Empty for every principal.
    principal: String,
    /// Empty for every kind.
    kinds: Vec<EventKind>,
    pub(in crate::service) include_attributes: bool,
}

impl EventFilter {
    pub(in crate::service) fn lets_through(&self, event: &Event) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| event.record.namespace == *namespace)
            && (self.principal.is_empty() || event.record.principal == self.principal)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

pub(in crate::service) fn event_filter(
    caller: &Caller,
    request: proto::WatchSessionsRequest,
) -> Result<EventFilter, Status> {
    let namespace = if !request.all_namespaces {
        Some(namespace(caller, Permission::Watch, request.namespace)?)
    } else if request.namespace.is_empty() {
        caller.check(Permission::Watch, None)?;
        None
    } else {
        return Err(Error::invalid("namespace", "must be empty if all_namespaces is set").into());
    };
    Ok(EventFilter {
        namespace,
        principal: principal("principal", request.principal)?,
        kinds: request.kinds.into_iter().map(event_kind).collect::<Result<_, _>>()?,
        include_attributes: request.include_attributes,
    })
}

fn event_kind(kind: i32) -> Result<EventKind, Error> {
    match proto::EventKind::try_from(kind) {
        Ok(proto::EventKind::Created) => Ok(EventKind::Created),
        Ok(proto::EventKind::Updated) => Ok(EventKind::Updated),
        Ok(proto::EventKind::Rotated) => Ok(EventKind::Rotated),
        Ok(proto::EventKind::Deleted) => Ok(EventKind::Deleted),
        Ok(proto::EventKind::Expired) => Ok(EventKind::Expired),
        Ok(proto::EventKind::Revoked) => Ok(EventKind::Revoked),
        Ok(proto::EventKind::Unspecified) | Err(_) => {
            Err(Error::invalid("kinds", format!("must be 1 to 6, not {kind}")))
        }
    }
}

/// Where a watcher wants to resume; `None` if it wants to begin now.
pub(in crate::service) fn resume_token(token: &str) -> Result<Option<ResumeToken>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    token.parse().map(Some).map_err(|malformed: MalformedToken| Error::invalid("resume_token", malformed.to_string()))
}

pub(in crate::service) fn checkpoint_interval(interval: Option<Duration>) -> Result<std::time::Duration, Error> {
    let interval =
        bounded("checkpoint_interval", interval, DEFAULT_CHECKPOINT_INTERVAL, CHECKPOINT_INTERVALS, "100 ms to 1 h")?;
    Ok(std::time::Duration::from_millis(interval))
}
