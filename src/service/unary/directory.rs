//! Listing, counting and revoking sessions.

use crate::authorization::{Caller, Permission};
use crate::proto::revoke_sessions_request::Scope;
use crate::proto::{
    CountSessionsRequest, CountSessionsResponse, ListSessionsRequest, ListSessionsResponse, RevokeSessionsRequest,
    RevokeSessionsResponse,
};
use crate::service::convert::answer::seen_session;
use crate::service::convert::{page_token, request};
use crate::service::store::StoreService;
use crate::session::PageBounds;
use tonic::Status;

/// What a caller needs for some sessions of a namespace that it names, or for all of them.
fn permission_for(are_named: bool) -> Permission {
    if are_named { Permission::Principals } else { Permission::Namespace }
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
        self.background.run(walk).await
    }

    pub(in crate::service) async fn count(
        &self,
        caller: &Caller,
        request: CountSessionsRequest,
    ) -> Result<CountSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let permission = permission_for(!request.principal.is_empty());
        let namespace = request::namespace(caller, permission, request.namespace)?;
        let principal = request::principal("principal", request.principal)?;
        let count = self.background.run(async move { sessions.count(&namespace, &principal).await });
        Ok(CountSessionsResponse { count: count.await? })
    }

    pub(in crate::service) async fn revoke(
        &self,
        caller: &Caller,
        request: RevokeSessionsRequest,
    ) -> Result<RevokeSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let permission = permission_for(!matches!(request.scope, Some(Scope::WholeNamespace(_))));
        let namespace = request::namespace(caller, permission, request.namespace)?;
        let scope = request::revoke_scope(request.scope)?;
        let revoked = self.background.run(async move { sessions.revoke(&namespace, scope).await });
        Ok(RevokeSessionsResponse { revoked: revoked.await? })
    }
}
