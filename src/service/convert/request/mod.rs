//! From requests to what the session rules take. Every field is checked here against its bound; an error names both.

mod bounds;
mod change;
mod events;
mod limits;

pub(in crate::service) use change::{change, first_data};
pub(in crate::service) use events::{EventFilter, checkpoint_interval, event_filter, resume_token};
pub use limits::RequestLimits;

use crate::authorization::{Caller, Permission};
use crate::clock::Millis;
use crate::model::{Handle, NAMESPACE_RULE, SessionId, is_namespace};
use crate::proto;
use crate::proto::call::Method;
use crate::proto::delete_session_request::Target as ProtoTarget;
use crate::proto::revoke_sessions_request::Scope;
use crate::session::{
    Access, DeleteTarget, Error, MAX_GRACE, MAX_LEASE, MAX_LOCK_WAIT, MAX_TICKET_LIFETIME, MAX_TIMEOUT, MIN_LEASE,
    MIN_TICKET_LIFETIME, Past, RevokeScope,
};
use bounds::{bounded, check_count, check_length, moment_to_millis, to_millis};
use prost_types::{Duration, Timestamp};
use tonic::Status;

const DEFAULT_NAMESPACE: &str = "default";
const MAX_AUDIENCE_BYTES: usize = 256;
const DEFAULT_PAGE_SIZE: u32 = 100;
const MAX_PAGE_SIZE: u32 = 1_000;
/// Calls in a message of an exchange stream. Of calls that say anything, no more fit into a message of 4 MiB. An empty one has
/// two bytes there, and fifty times as many in memory, which nothing counts.
const MAX_CALLS_IN_MESSAGE: usize = 65_536;
/// Items of a batch.
const MAX_BATCH: usize = 1_000;
const DEFAULT_LEASE: Millis = 10_000;
const DEFAULT_TICKET_LIFETIME: Millis = 30_000;
/// The longest principal.
pub(crate) const MAX_PRINCIPAL_BYTES: usize = 256;

/// The namespace of a request whose caller needs this permission there.
pub(in crate::service) fn namespace(
    caller: &Caller,
    permission: Permission,
    namespace: String,
) -> Result<String, Status> {
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE.into() } else { namespace };
    if !is_namespace(&namespace) {
        return Err(Error::invalid("namespace", format!("must be {NAMESPACE_RULE}")).into());
    }
    caller.note(|notes| notes.namespace = Some(namespace.clone()));
    caller.check(permission, Some(&namespace))?;
    Ok(namespace)
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

/// The calls of a message of an exchange stream.
pub(in crate::service) fn check_calls(calls: &[proto::Call]) -> Result<(), Error> {
    check_count("calls", calls.len(), MAX_CALLS_IN_MESSAGE)
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
