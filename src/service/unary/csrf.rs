//! Tokens against cross-site request forgery.

use crate::proto::{IssueCsrfTokenRequest, IssueCsrfTokenResponse, VerifyCsrfTokenRequest, VerifyCsrfTokenResponse};
use crate::service::convert::request;
use crate::service::store::StoreService;
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn issue_csrf(
        &self,
        request: IssueCsrfTokenRequest,
    ) -> Result<IssueCsrfTokenResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        Ok(IssueCsrfTokenResponse { token: sessions.issue_csrf_token(&namespace, &id).await? })
    }

    pub(in crate::service) async fn verify_csrf(
        &self,
        request: VerifyCsrfTokenRequest,
    ) -> Result<VerifyCsrfTokenResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let valid = sessions.verify_csrf_token(&namespace, &id, &request.token).await?;
        Ok(VerifyCsrfTokenResponse { valid })
    }
}
