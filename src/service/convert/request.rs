//! From requests to what the session rules take. Every field is checked here against its bound; an error names both.

use crate::clock::Millis;
use crate::model::{
    Attribute, COMMON_MESSAGE_BYTES, ENVELOPE_BYTES, Event, EventKind, Handle, MAX_LABELS, MalformedToken,
    NAMESPACE_RULE, ResumeToken, SessionId, is_namespace, message_with,
};
use crate::proto;
use crate::proto::call::Method;
use crate::proto::delete_session_request::Target as ProtoTarget;
use crate::proto::revoke_sessions_request::Scope;
use crate::proto::timeouts::Absolute;
use crate::session::{
    AbsoluteEnd, Access, DeleteTarget, Error, MAX_GRACE, MAX_LEASE, MAX_LOCK_WAIT, MAX_TICKET_LIFETIME, MAX_TIMEOUT,
    MIN_LEASE, MIN_TICKET_LIFETIME, Past, RevokeScope, SessionChange, Timeouts,
};
use bytes::Bytes;
use prost_types::{Duration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

const DEFAULT_NAMESPACE: &str = "default";
const MAX_AUDIENCE_BYTES: usize = 256;
const DEFAULT_PAGE_SIZE: u32 = 100;
const MAX_PAGE_SIZE: u32 = 1_000;
/// Items of a batch.
const MAX_BATCH: usize = 1_000;
const DEFAULT_LEASE: Millis = 10_000;
const DEFAULT_TICKET_LIFETIME: Millis = 30_000;
const DEFAULT_CHECKPOINT_INTERVAL: Millis = 10_000;
const CHECKPOINT_INTERVALS: RangeInclusive<Millis> = 100..=3_600_000;
const MAX_PRINCIPAL_BYTES: usize = 256;
const MAX_LABEL_NAME_BYTES: usize = 64;
const MAX_LABEL_BYTES: usize = 256;

/// Bounds of request fields that a setting decides.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Bytes of an attribute's name.
    pub max_attribute_name_bytes: usize,
    /// Attributes that one request may name.
    pub max_attributes: usize,
    /// Bytes of an answer.
    pub max_message_bytes: usize,
    /// Bytes of a message with the largest session.
    pub session_message_bytes: usize,
}

impl RequestLimits {
    /// Bytes that sessions may take in an answer with many. Even if larger messages are allowed, such an answer stays so small
    /// that every client accepts it, unless a single session is larger.
    pub(in crate::service) fn answer_bytes(&self) -> usize {
        let bytes = self.max_message_bytes.min(COMMON_MESSAGE_BYTES.max(self.session_message_bytes));
        bytes.saturating_sub(ENVELOPE_BYTES)
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_attribute_name_bytes: 256,
            max_attributes: 1_024,
            max_message_bytes: 4 << 20,
            session_message_bytes: message_with(256 << 10, 1_024),
        }
    }
}

pub(in crate::service) fn namespace(namespace: String) -> Result<String, Error> {
    if namespace.is_empty() {
        return Ok(DEFAULT_NAMESPACE.into());
    }
    if is_namespace(&namespace) {
        Ok(namespace)
    } else {
        Err(Error::invalid("namespace", format!("must be {NAMESPACE_RULE}")))
    }
}

pub(in crate::service) fn session_id(field: &'static str, id: String) -> Result<SessionId, Error> {
    SessionId::parse(id).ok_or_else(|| {
        let (min, max) = (SessionId::MIN_CHARS, SessionId::MAX_CHARS);
        Error::invalid(field, format!("must be {min} to {max} printable ASCII characters without spaces"))
    })
}

pub(in crate::service) fn optional_session_id(field: &'static str, id: String) -> Result<Option<SessionId>, Error> {
    if id.is_empty() { Ok(None) } else { session_id(field, id).map(Some) }
}

/// The method of a call on an exchange stream.
pub(in crate::service) fn method(method: Option<Method>) -> Result<Method, Error> {
    method.ok_or_else(|| Error::invalid("method", "must be set to create, get, update, touch, rotate or delete"))
}

/// The time that a call on an exchange stream has.
pub(in crate::service) fn call_timeout(timeout: Option<Duration>) -> Result<Option<std::time::Duration>, Error> {
    let millis = |timeout| to_millis(timeout).filter(|millis| (1..=MAX_TIMEOUT).contains(millis));
    let checked =
        |timeout| millis(timeout).ok_or_else(|| Error::invalid("timeout", "must be between 1 ms and 3660 days"));
    Ok(timeout.map(checked).transpose()?.map(std::time::Duration::from_millis))
}

pub(in crate::service) fn access(access: i32) -> Result<Access, Error> {
    match proto::Access::try_from(access) {
        Ok(proto::Access::Unspecified | proto::Access::Touch) => Ok(Access::Touch),
        Ok(proto::Access::Peek) => Ok(Access::Peek),
        Err(_) => Err(Error::invalid("access", format!("must be 0, 1 or 2, not {access}"))),
    }
}

pub(in crate::service) fn target(target: Option<ProtoTarget>) -> Result<DeleteTarget, Error> {
    match target {
        Some(ProtoTarget::SessionId(id)) => session_id("session_id", id).map(DeleteTarget::Id),
        Some(ProtoTarget::Handle(handle)) => {
            handle.parse::<Handle>().map(DeleteTarget::Handle).map_err(|_| Error::invalid("handle", "must be a UUID"))
        }
        None => Err(Error::invalid("target", "must be set to session_id or handle")),
    }
}

pub(in crate::service) fn principal(field: &str, principal: String) -> Result<String, Error> {
    check_length(field, "a principal", principal.len(), 0, MAX_PRINCIPAL_BYTES)?;
    Ok(principal)
}

pub(in crate::service) fn page_size(page_size: u32) -> Result<usize, Error> {
    match page_size {
        0 => Ok(DEFAULT_PAGE_SIZE as usize),
        1..=MAX_PAGE_SIZE => Ok(page_size as usize),
        _ => Err(Error::invalid("page_size", format!("must be at most {MAX_PAGE_SIZE}; 0 means {DEFAULT_PAGE_SIZE}"))),
    }
}

pub(in crate::service) fn is_full_view(view: i32) -> Result<bool, Error> {
    match proto::SessionView::try_from(view) {
        Ok(proto::SessionView::Unspecified | proto::SessionView::Basic) => Ok(false),
        Ok(proto::SessionView::Full) => Ok(true),
        Err(_) => Err(Error::invalid("view", format!("must be 0, 1 or 2, not {view}"))),
    }
}

pub(in crate::service) fn revoke_scope(scope: Option<Scope>) -> Result<RevokeScope, Error> {
    match scope {
        None => Err(Error::invalid("scope", "must be set to principal, handles or whole_namespace")),
        Some(Scope::WholeNamespace(_)) => Ok(RevokeScope::WholeNamespace),
        Some(Scope::Handles(scope)) => handles("handles.handles", &scope.handles).map(RevokeScope::Handles),
        Some(Scope::Principal(scope)) => {
            check_length("principal.principal", "a principal", scope.principal.len(), 1, MAX_PRINCIPAL_BYTES)?;
            let except = optional_session_id("principal.except_session_id", scope.except_session_id)?;
            Ok(RevokeScope::Principal { principal: scope.principal, except })
        }
    }
}

/// 1 to 1,000 handles.
fn handles(field: &str, handles: &[String]) -> Result<Vec<Handle>, Error> {
    check_batch(field, handles.len())?;
    let parse = |(at, handle): (usize, &String)| {
        handle.parse().map_err(|_| Error::invalid(format!("{field}[{at}]"), "must be a UUID"))
    };
    handles.iter().enumerate().map(parse).collect()
}

/// Which sessions to list: all on a list, or those with these handles.
pub(in crate::service) fn listed(request: &proto::ListSessionsRequest) -> Result<Option<Vec<Handle>>, Error> {
    if request.handles.is_empty() {
        return Ok(None);
    }
    if !request.principal.is_empty() || request.page_size != 0 {
        return Err(Error::invalid("handles", "can't be combined with principal or page_size"));
    }
    handles("handles", &request.handles).map(Some)
}

pub(in crate::service) fn check_batch(field: &str, count: usize) -> Result<(), Error> {
    if (1..=MAX_BATCH).contains(&count) {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("must have 1 to {MAX_BATCH} entries, not {count}")))
    }
}

/// Which events a watcher wants.
#[derive(Debug)]
pub(in crate::service) struct EventFilter {
    /// `None` for every namespace.
    namespace: Option<String>,
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

pub(in crate::service) fn event_filter(request: proto::WatchSessionsRequest) -> Result<EventFilter, Error> {
    if request.all_namespaces && !request.namespace.is_empty() {
        return Err(Error::invalid("namespace", "must be empty if all_namespaces is set"));
    }
    let namespace = if request.all_namespaces { None } else { Some(namespace(request.namespace)?) };
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

pub(in crate::service) fn lease(lease: Option<Duration>) -> Result<Millis, Error> {
    bounded("lease", lease, DEFAULT_LEASE, MIN_LEASE..=MAX_LEASE, "100 ms to 60 s")
}

pub(in crate::service) fn lock_wait(wait: Option<Duration>, renews: bool) -> Result<Millis, Error> {
    if renews && wait.is_some() {
        return Err(Error::invalid(
            "wait",
            "can't be combined with lock_token: a lock that is held is renewed at once",
        ));
    }
    bounded("wait", wait, 0, 0..=MAX_LOCK_WAIT, "0 to 30 s")
}

pub(in crate::service) fn audience(audience: String) -> Result<String, Error> {
    check_length("audience", "an audience", audience.len(), 1, MAX_AUDIENCE_BYTES)?;
    Ok(audience)
}

pub(in crate::service) fn ticket_lifetime(lifetime: Option<Duration>) -> Result<Millis, Error> {
    let bounds = MIN_TICKET_LIFETIME..=MAX_TICKET_LIFETIME;
    bounded("lifetime", lifetime, DEFAULT_TICKET_LIFETIME, bounds, "1 s to 5 min")
}

/// A duration within its bounds; the default if it is left out.
fn bounded(
    field: &str,
    duration: Option<Duration>,
    default: Millis,
    bounds: RangeInclusive<Millis>,
    shown: &str,
) -> Result<Millis, Error> {
    let millis = duration.map_or(Some(default), to_millis);
    millis.filter(|millis| bounds.contains(millis)).ok_or_else(|| Error::invalid(field, format!("must be {shown}")))
}

pub(in crate::service) fn grace(grace: Option<Duration>) -> Result<Millis, Error> {
    match grace.map(to_millis) {
        None => Ok(0),
        Some(Some(grace)) if grace <= MAX_GRACE => Ok(grace),
        Some(_) => Err(Error::invalid("grace", "must be between 0 and 60 s")),
    }
}

pub(in crate::service) fn unlock(unlock: bool, lock_token: Option<&String>) -> Result<bool, Error> {
    if unlock && lock_token.is_none() {
        return Err(Error::invalid("unlock", "needs lock_token, which names the lock to release"));
    }
    Ok(unlock)
}

/// The life of a session before it comes here.
pub(in crate::service) fn past(
    create_time: Option<Timestamp>,
    last_access_time: Option<Timestamp>,
) -> Result<Past, Error> {
    let moment = |field: &str, moment: Option<Timestamp>| {
        let to_millis =
            |moment| moment_to_millis(moment).ok_or_else(|| Error::invalid(field, "must be a timestamp after 1970"));
        moment.map(to_millis).transpose()
    };
    Ok(Past { created: moment("create_time", create_time)?, accessed: moment("last_access_time", last_access_time)? })
}

pub(in crate::service) fn expected_version(expected: Option<u64>, upsert: bool) -> Result<Option<u64>, Error> {
    if upsert && expected.is_some() {
        return Err(Error::invalid("expected_version", "can't be combined with upsert"));
    }
    Ok(expected)
}

/// The first data of a session is the change that makes it from nothing.
pub(in crate::service) fn first_data(
    attributes: &[Bytes],
    principal: String,
    labels: HashMap<String, String>,
    timeouts: Option<proto::Timeouts>,
    limits: &RequestLimits,
) -> Result<SessionChange, Error> {
    Ok(SessionChange {
        set_attributes: to_attributes("attributes", attributes, limits)?,
        principal: to_principal("principal", Some(principal))?,
        set_labels: to_labels("labels", labels)?,
        timeouts: to_timeouts("timeouts", timeouts)?,
        ..SessionChange::default()
    })
}

pub(in crate::service) fn change(
    change: Option<proto::SessionChange>,
    limits: &RequestLimits,
) -> Result<SessionChange, Error> {
    let change = change.unwrap_or_default();
    let set_attributes = to_attributes("change.set_attributes", &change.set_attributes, limits)?;
    check_count("change.remove_attributes", change.remove_attributes.len(), limits.max_attributes)?;
    let removed = |attribute: &&Attribute| change.remove_attributes.iter().any(|n| n.as_bytes() == attribute.name());
    if !change.remove_attributes.is_empty() && set_attributes.iter().any(|attribute| removed(&attribute)) {
        return Err(Error::invalid("change.remove_attributes", "must not name an attribute that set_attributes sets"));
    }
    check_count("change.remove_labels", change.remove_labels.len(), MAX_LABELS)?;
    Ok(SessionChange {
        set_attributes,
        remove_attributes: change.remove_attributes,
        clear_attributes: change.clear_attributes,
        principal: to_principal("change.principal", change.principal)?,
        set_labels: to_labels("change.set_labels", change.set_labels)?,
        remove_labels: change.remove_labels,
        timeouts: to_timeouts("change.timeouts", change.timeouts)?,
    })
}

fn to_attributes(field: &str, entries: &[Bytes], limits: &RequestLimits) -> Result<Vec<Attribute>, Error> {
    check_fits("the number of attributes", entries.len(), limits.max_attributes)?;
    entries
        .iter()
        .map(|entry| {
            let attribute = Attribute::from_wire(entry)
                .map_err(|malformed| Error::invalid(in_map(field, &malformed.name), malformed.cause.to_string()))?;
            check_length(field, "an attribute's name", attribute.name().len(), 1, limits.max_attribute_name_bytes)?;
            Ok(attribute)
        })
        .collect()
}

fn to_labels(field: &str, labels: HashMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    check_fits("the number of labels", labels.len(), MAX_LABELS)?;
    for (name, value) in &labels {
        check_length(field, "a label's name", name.len(), 1, MAX_LABEL_NAME_BYTES)?;
        check_length(&in_map(field, name), "a label", value.len(), 0, MAX_LABEL_BYTES)?;
    }
    Ok(labels.into_iter().collect())
}

fn to_principal(field: &str, principal: Option<String>) -> Result<Option<String>, Error> {
    if let Some(principal) = &principal {
        check_length(field, "a principal", principal.len(), 0, MAX_PRINCIPAL_BYTES)?;
    }
    Ok(principal)
}

fn to_timeouts(field: &str, timeouts: Option<proto::Timeouts>) -> Result<Option<Timeouts>, Error> {
    let Some(timeouts) = timeouts else {
        return Ok(None);
    };
    let idle = timeouts.idle_timeout.map(|idle| to_timeout(&format!("{field}.idle_timeout"), idle)).transpose()?;
    let absolute = match timeouts.absolute {
        None => None,
        Some(Absolute::AbsoluteTimeout(timeout)) => {
            Some(AbsoluteEnd::After(to_timeout(&format!("{field}.absolute_timeout"), timeout)?))
        }
        Some(Absolute::AbsoluteExpireTime(moment)) => {
            Some(AbsoluteEnd::At(moment_to_millis(moment).ok_or_else(|| {
                Error::invalid(format!("{field}.absolute_expire_time"), "must be a timestamp in the future")
            })?))
        }
    };
    Ok(Some(Timeouts { idle, absolute }))
}

fn to_timeout(field: &str, timeout: Duration) -> Result<Millis, Error> {
    to_millis(timeout)
        .filter(|timeout| (1..=MAX_TIMEOUT).contains(timeout))
        .ok_or_else(|| Error::invalid(field, "must be between 1 ms and 3660 days"))
}

/// Drops fractions of a millisecond; `None` if the duration is negative or malformed.
fn to_millis(duration: Duration) -> Option<Millis> {
    join_millis(duration.seconds, duration.nanos)
}

/// Drops fractions of a millisecond; `None` if the moment lies before 1970 or is malformed.
fn moment_to_millis(moment: Timestamp) -> Option<Millis> {
    join_millis(moment.seconds, moment.nanos)
}

fn join_millis(seconds: i64, nanos: i32) -> Option<Millis> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(nanos / 1_000_000)
}

/// A request that sets more than any session may have is refused as that session would be.
fn check_fits(subject: &'static str, actual: usize, limit: usize) -> Result<(), Error> {
    if actual <= limit { Ok(()) } else { Err(Error::TooLarge { subject, limit, actual }) }
}

fn check_count(field: &str, count: usize, max: usize) -> Result<(), Error> {
    if count <= max {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("has {count} entries; at most {max} are allowed")))
    }
}

fn check_length(field: &str, what: &str, length: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&length) {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("{what} must have {min} to {max} bytes, not {length}")))
    }
}

fn in_map(field: &str, name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    format!("{field}[{shown:?}]")
}
