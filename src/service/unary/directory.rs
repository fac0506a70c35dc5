//! Listing, counting and revoking sessions.

use crate::authorization::{Caller, Permission};
use crate::proto::revoke_sessions_request::Scope;
use crate::proto::{
    CountSessionsRequest, CountSessionsResponse, ListSessionsRequest, ListSessionsResponse, PrincipalScope,
    RevokeSessionsRequest, RevokeSessionsResponse,
};
use crate::service::convert::answer::seen_session;
use crate::service::convert::{page_token, request};
use crate::service::store::StoreService;
use crate::session::PageBounds;
use tonic::Status;

/// The scope of calls on all sessions of a namespace, in the audit log.
const WHOLE_NAMESPACE: &str = "whole_namespace";

/// What a caller needs for some sessions of a namespace that it names, or for all of them.
fn permission_for(are_named: bool) -> Permission {
    if are_named { Permission::Principals } else { Permission::Namespace }
}

/// Calls on all sessions of a namespace are administrative ones.
fn note_whole_namespace(caller: &Caller, needed: Permission) {
    if needed == Permission::Namespace {
        caller.note(|notes| (notes.is_audited, notes.scope) = (true, Some(WHOLE_NAMESPACE)));
    }
}

/// Notes which sessions are to end, also if the caller may not end them.
fn note_scope(caller: &Caller, scope: Option<&Scope>) {
    caller.note(|notes| {
        notes.scope = scope.map(|scope| match scope {
            Scope::Principal(_) => "principal",
            Scope::Handles(_) => "handles",
            Scope::WholeNamespace(_) => WHOLE_NAMESPACE,
        });
        if let Some(Scope::Principal(PrincipalScope { principal, .. })) = scope {
            notes.note_principal(principal);
        }
    });
}

impl StoreService {
    pub(in crate::service) async fn list(
        &self,
        caller: &Caller,
        request: ListSessionsRequest,
    ) -> Result<ListSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let handles = request::listed(&request)?;
        let permission = permission_for(handles.is_some() || !request.principal.is_empty());
        note_whole_namespace(caller, permission);
        let namespace = request::namespace(caller, permission, request.namespace)?;
        let principal = request::principal("principal", request.principal)?;
        let page_size = request::page_size(request.page_size)?;
        // The page token is bound to this.
        let list = if handles.is_some() { request.handles.join(",") } else { principal.clone() };
        let before = page_token::decode(&namespace, &list, &request.page_token)?;
        let bounds = PageBounds {
            before,
            sessions: page_size,
            bytes: self.limits.answer_bytes(),
            attributes: request::is_full_view(request.view)?,
        };
        let walk = async move {
            let show = seen_session;
            let page = match handles {
                Some(handles) => sessions.list_handles(&namespace, handles, bounds, show).await?,
                None => sessions.list(&namespace, &principal, bounds, show).await?,
            };
            let next_page_token = page.next.map(|last| page_token::encode(&namespace, &list, last));
            Ok(ListSessionsResponse { sessions: page.sessions, next_page_token: next_page_token.unwrap_or_default() })
        };
        let page: Result<ListSessionsResponse, Status> = self.background.run(walk).await;
        page.inspect(|page| caller.note(|notes| notes.sessions = Some(page.sessions.len() as u64)))
    }

    pub(in crate::service) async fn count(
        &self,
        caller: &Caller,
        request: CountSessionsRequest,
    ) -> Result<CountSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let permission = permission_for(!request.principal.is_empty());
        note_whole_namespace(caller, permission);
        let namespace = request::namespace(caller, permission, request.namespace)?;
        let principal = request::principal("principal", request.principal)?;
        let count = self.background.run(async move { sessions.count(&namespace, &principal).await });
        let count = count.await?;
        caller.note(|notes| notes.sessions = Some(count));
        Ok(CountSessionsResponse { count })
    }

    pub(in crate::service) async fn revoke(
        &self,
        caller: &Caller,
        request: RevokeSessionsRequest,
    ) -> Result<RevokeSessionsResponse, Status> {
        let sessions = self.sessions()?;
        note_scope(caller, request.scope.as_ref());
        let permission = permission_for(!matches!(request.scope, Some(Scope::WholeNamespace(_))));
        let namespace = request::namespace(caller, permission, request.namespace)?;
        let scope = request::revoke_scope(request.scope)?;
        let record = caller.record().cloned();
        // Also of a call that fails half-way it is told how many there were.
        let note = move |revoked| {
            if let Some(record) = &record {
                record.note(|notes| *notes.sessions.get_or_insert_default() += revoked);
            }
        };
        let revoked = self.background.run(async move { sessions.revoke(&namespace, scope, note).await });
        Ok(RevokeSessionsResponse { revoked: revoked.await? })
    }
}
