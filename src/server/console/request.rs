//! The calls of the page, in JSON. Each becomes the request of the contract that it stands for.

use super::refusal::Refusal;
use crate::proto::revoke_sessions_request::Scope;
use crate::proto::{
    EventKind, HandleScope, ListSessionsRequest, PrincipalScope, RevokeSessionsRequest, SessionView,
    WatchSessionsRequest,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// The body of a call may be so large: a thousand handles fit in.
const MAX_BODY: usize = 64 << 10;

/// The body of a call must have arrived after this time.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Sessions on a page.
const DEFAULT_PAGE_SIZE: u32 = 50;
const MAX_PAGE_SIZE: u32 = 100;

/// Receives the body of a call.
pub(super) async fn receive(body: Incoming) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::too_large(format!("the body of a call may have {MAX_BODY} bytes; send less"));
    // A length that is told is believed before a byte has come.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match timeout(BODY_WITHIN, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::invalid("the body did not arrive whole; make the call again".to_owned())),
        Err(_) => {
            Err(Refusal::too_slow(format!("the body of a call must arrive within {BODY_WITHIN:?}; send it at once")))
        }
    }
}

/// Reads the body of a call.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("the body is not what the call takes: {error}")))
}

/// Sessions of a namespace, of one of its principals, or those with these handles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct ListSessions {
    namespace: String,
    principal: String,
    handles: Vec<String>,
    page_size: u32,
    page_token: String,
}

impl TryFrom<ListSessions> for ListSessionsRequest {
    type Error = Refusal;

    fn try_from(list: ListSessions) -> Result<Self, Refusal> {
        let ListSessions { namespace, principal, handles, page_size, page_token } = list;
        if page_size > MAX_PAGE_SIZE || handles.len() > MAX_PAGE_SIZE as usize {
            return Err(Refusal::invalid(format!(
                "page_size and the number of handles may be {MAX_PAGE_SIZE} at most; ask for the other sessions in another call"
            )));
        }
        // With handles there are no pages.
        let page_size = if page_size == 0 && handles.is_empty() { DEFAULT_PAGE_SIZE } else { page_size };
        // The page has no use for attributes, which may be secret.
        let view = SessionView::Basic.into();
        Ok(Self { namespace, principal, page_size, page_token, view, handles })
    }
}

/// The sessions to end: all of a principal, or those with these handles. A whole namespace can't be ended from the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct RevokeSessions {
    namespace: String,
    principal: Option<String>,
    handles: Option<Vec<String>>,
}

impl TryFrom<RevokeSessions> for RevokeSessionsRequest {
    type Error = Refusal;

    fn try_from(revoke: RevokeSessions) -> Result<Self, Refusal> {
        let scope = match (revoke.principal, revoke.handles) {
            (Some(principal), None) => Scope::Principal(PrincipalScope { principal, except_session_id: String::new() }),
            (None, Some(handles)) => Scope::Handles(HandleScope { handles }),
            _ => return Err(Refusal::invalid("either principal or handles must say which sessions to end".to_owned())),
        };
        Ok(Self { namespace: revoke.namespace, scope: Some(scope) })
    }
}

/// Which events to watch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct WatchSessions {
    namespace: String,
    all_namespaces: bool,
    principal: String,
    kinds: Vec<Kind>,
    resume_token: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Created,
    Updated,
    Rotated,
    Deleted,
    Expired,
    Revoked,
}

impl From<Kind> for EventKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Created => Self::Created,
            Kind::Updated => Self::Updated,
            Kind::Rotated => Self::Rotated,
            Kind::Deleted => Self::Deleted,
            Kind::Expired => Self::Expired,
            Kind::Revoked => Self::Revoked,
        }
    }
}

impl From<WatchSessions> for WatchSessionsRequest {
    fn from(watch: WatchSessions) -> Self {
        let WatchSessions { namespace, all_namespaces, principal, kinds, resume_token } = watch;
        let kinds = kinds.into_iter().map(|kind| EventKind::from(kind).into()).collect();
        // Checkpoints come as often as they do to other watchers: they also find out whether the page is still there.
        Self {
            namespace,
            all_namespaces,
            principal,
            kinds,
            resume_token,
            include_attributes: false,
            checkpoint_interval: None,
        }
    }
}

/// Asks for nothing in particular.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
