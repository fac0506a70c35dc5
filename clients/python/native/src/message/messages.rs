//! The messages of the contract.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchDeleteSessionsResponse, BatchDeleteSessionsResult, BatchGetSessionsRequest,
    BatchGetSessionsResponse, BatchGetSessionsResult, Checkpoint, CountSessionsRequest, CountSessionsResponse,
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse, GetSessionRequest,
    GetSessionResponse, GetStatisticsResponse, HandleScope, IssueCsrfTokenRequest, IssueCsrfTokenResponse,
    IssueHandoffRequest, IssueHandoffResponse, ItemError, ListSessionsRequest, ListSessionsResponse,
    LockSessionRequest, LockSessionResponse, NamespaceScope, NamespaceStatistics, PrincipalScope, RedeemHandoffRequest,
    RedeemHandoffResponse, RevokeSessionsRequest, RevokeSessionsResponse, RotateSessionRequest, RotateSessionResponse,
    Session, SessionChange, SessionEvent, Timeouts, TouchSessionRequest, TouchSessionResponse, UnlockSessionRequest,
    UnlockSessionResponse, UpdateSessionRequest, UpdateSessionResponse, VerifyCsrfTokenRequest,
    VerifyCsrfTokenResponse, WatchSessionsRequest, WatchSessionsResponse, batch_get_sessions_result,
    delete_session_request, revoke_sessions_request, timeouts, watch_sessions_response,
};

use super::field::{Read, Write, read};
use super::{FromPlain, IntoPlain};

macro_rules! requests {
    ($($message:ident { $($field:ident),* $(; $oneof:ident: $of:expr)? })*) => {$(
        impl FromPlain for $message {
            fn from_plain(dict: &Bound<'_, PyDict>) -> PyResult<Self> {
                $(let $oneof = $of(dict)?;)?
                Ok(Self { $($field: read(dict, intern!(dict.py(), stringify!($field)))?,)* $($oneof)? })
            }
        }
    )*};
}

macro_rules! answers {
    ($($message:ident { $($field:ident),* })*) => {$(
        impl IntoPlain for $message {
            fn into_plain(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
                let dict = PyDict::new(py);
                $(self.$field.write(&dict, intern!(py, stringify!($field)))?;)*
                Ok(dict)
            }
        }
    )*};
}

requests! {
    CreateSessionRequest {
        namespace, session_id, attributes, principal, labels, timeouts, create_time, last_access_time
    }
    GetSessionRequest { namespace, session_id, access, if_version_not, omit_attributes }
    UpdateSessionRequest { namespace, session_id, change, expected_version, upsert, lock_token, unlock }
    TouchSessionRequest { namespace, session_id }
    RotateSessionRequest { namespace, session_id, new_session_id, grace, change, expected_version }
    DeleteSessionRequest { namespace, allow_missing; target: target }
    SessionChange {
        set_attributes, remove_attributes, clear_attributes, principal, set_labels, remove_labels, timeouts
    }
    Timeouts { idle_timeout; absolute: absolute }
    BatchGetSessionsRequest { namespace, session_ids, access }
    BatchDeleteSessionsRequest { namespace, session_ids }
    ListSessionsRequest { namespace, principal, page_size, page_token, view, handles }
    CountSessionsRequest { namespace, principal }
    RevokeSessionsRequest { namespace; scope: scope }
    PrincipalScope { principal, except_session_id }
    HandleScope { handles }
    WatchSessionsRequest {
        namespace, all_namespaces, principal, kinds, include_attributes, checkpoint_interval, resume_token
    }
    LockSessionRequest { namespace, session_id, lease, wait, lock_token, include_session }
    UnlockSessionRequest { namespace, session_id, lock_token }
    IssueHandoffRequest { namespace, session_id, audience, lifetime }
    RedeemHandoffRequest { namespace, ticket, audience, new_session_id }
    IssueCsrfTokenRequest { namespace, session_id }
    VerifyCsrfTokenRequest { namespace, session_id, token }
}

impl FromPlain for NamespaceScope {
    fn from_plain(_: &Bound<'_, PyDict>) -> PyResult<Self> {
        Ok(Self {})
    }
}

impl Read for Option<String> {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        String::read(value).map(Some)
    }
}

fn target(dict: &Bound<'_, PyDict>) -> PyResult<Option<delete_session_request::Target>> {
    use delete_session_request::Target;
    let handle: Option<String> = read(dict, intern!(dict.py(), "handle"))?;
    if let Some(handle) = handle {
        return Ok(Some(Target::Handle(handle)));
    }
    let id: Option<String> = read(dict, intern!(dict.py(), "session_id"))?;
    Ok(id.map(Target::SessionId))
}

fn absolute(dict: &Bound<'_, PyDict>) -> PyResult<Option<timeouts::Absolute>> {
    use timeouts::Absolute;
    if let Some(moment) = read(dict, intern!(dict.py(), "absolute_expire_time"))? {
        return Ok(Some(Absolute::AbsoluteExpireTime(moment)));
    }
    let timeout: Option<_> = read(dict, intern!(dict.py(), "absolute_timeout"))?;
    Ok(timeout.map(Absolute::AbsoluteTimeout))
}

fn scope(dict: &Bound<'_, PyDict>) -> PyResult<Option<revoke_sessions_request::Scope>> {
    use revoke_sessions_request::Scope;
    if let Some(principal) = read(dict, intern!(dict.py(), "principal"))? {
        return Ok(Some(Scope::Principal(principal)));
    }
    if let Some(handles) = read(dict, intern!(dict.py(), "handles"))? {
        return Ok(Some(Scope::Handles(handles)));
    }
    let whole: Option<_> = read(dict, intern!(dict.py(), "whole_namespace"))?;
    Ok(whole.map(Scope::WholeNamespace))
}

answers! {
    CreateSessionResponse { session_id, session }
    GetSessionResponse { session, not_modified }
    UpdateSessionResponse { session, created }
    TouchSessionResponse { expire_time, version }
    RotateSessionResponse { session_id, session }
    DeleteSessionResponse { deleted }
    Session {
        handle, namespace, version, attributes, principal, labels, create_time, last_access_time, update_time,
        idle_timeout, absolute_expire_time, expire_time, sealed
    }
    ItemError { reason, message }
    BatchGetSessionsResponse { results }
    BatchDeleteSessionsResponse { results }
    BatchDeleteSessionsResult { deleted, error }
    ListSessionsResponse { sessions, next_page_token }
    CountSessionsResponse { count }
    RevokeSessionsResponse { revoked }
    SessionEvent { kind, event_time, session, resume_token }
    Checkpoint { resume_token }
    LockSessionResponse { lock_token, expire_time, session }
    UnlockSessionResponse { released }
    IssueHandoffResponse { ticket, expire_time }
    RedeemHandoffResponse { session_id, session }
    IssueCsrfTokenResponse { token }
    VerifyCsrfTokenResponse { valid }
    NamespaceStatistics { namespace, sessions }
    GetStatisticsResponse {
        sessions, namespaces, created, expired, created_per_second, expired_per_second, disk_bytes, memory_bytes,
        sweeper_lag, groups, grouped_transactions, largest_group, start_time, watchers, cpu_time, refused_for_space,
        met_damage, storage_stalls, resume_token, events_kept, clock_steps, clock_ahead, current_time
    }
}

impl IntoPlain for BatchGetSessionsResult {
    fn into_plain(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        use batch_get_sessions_result::Result;
        let dict = PyDict::new(py);
        match self.result {
            Some(Result::Session(session)) => Some(session).write(&dict, intern!(py, "session"))?,
            Some(Result::Error(error)) => Some(error).write(&dict, intern!(py, "error"))?,
            None => {}
        }
        Ok(dict)
    }
}

impl IntoPlain for WatchSessionsResponse {
    fn into_plain(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        use watch_sessions_response::Message;
        let dict = PyDict::new(py);
        match self.message {
            Some(Message::Event(event)) => Some(event).write(&dict, intern!(py, "event"))?,
            Some(Message::Checkpoint(checkpoint)) => Some(checkpoint).write(&dict, intern!(py, "checkpoint"))?,
            None => {}
        }
        Ok(dict)
    }
}
