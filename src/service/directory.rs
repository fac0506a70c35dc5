//! Listing, counting and revoking sessions.

use super::answer::session;
use super::store::StoreService;
use super::{page_token, request};
use crate::proto::{
    CountSessionsRequest, CountSessionsResponse, ListSessionsRequest, ListSessionsResponse, RevokeSessionsRequest,
    RevokeSessionsResponse,
};
use crate::session::PageBounds;
use tonic::Status;

impl StoreService {
    pub(super) async fn list(&self, request: ListSessionsRequest) -> Result<ListSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let principal = request::principal("principal", request.principal)?;
        let page_size = request::page_size(request.page_size)?;
        let before = page_token::decode(&namespace, &principal, &request.page_token)?;
        let bounds = PageBounds {
            before,
            sessions: page_size,
            bytes: self.limits.answer_bytes(),
            attributes: request::is_full_view(request.view)?,
        };
        let page = sessions.list(&namespace, &principal, bounds, session).await?;
        let next_page_token = page.next.map(|last| page_token::encode(&namespace, &principal, last));
        Ok(ListSessionsResponse { sessions: page.sessions, next_page_token: next_page_token.unwrap_or_default() })
    }

    pub(super) async fn count(&self, request: CountSessionsRequest) -> Result<CountSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let principal = request::principal("principal", request.principal)?;
        Ok(CountSessionsResponse { count: sessions.count(&namespace, &principal).await? })
    }

    pub(super) async fn revoke(&self, request: RevokeSessionsRequest) -> Result<RevokeSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let scope = request::revoke_scope(request.scope)?;
        Ok(RevokeSessionsResponse { revoked: sessions.revoke(&namespace, scope).await? })
    }
}
