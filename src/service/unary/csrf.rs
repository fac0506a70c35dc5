//! Tokens against cross-site request forgery.

use crate::authorization::{Caller, Permission};
use crate::proto::{IssueCsrfTokenRequest, IssueCsrfTokenResponse, VerifyCsrfTokenRequest, VerifyCsrfTokenResponse};
use crate::service::convert::request;
use crate::service::store::StoreService;
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn issue_csrf(
        &self,
        caller: &Caller,
        request: IssueCsrfTokenRequest,
    ) -> Result<IssueCsrfTokenResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let (handle, token) = sessions.issue_csrf_token(&namespace, &id).await?;
        caller.note(|notes| notes.handle = Some(handle));
        Ok(IssueCsrfTokenResponse { token })
    }

    pub(in crate::service) async fn verify_csrf(
        &self,
        caller: &Caller,
        request: VerifyCsrfTokenRequest,
    ) -> Result<VerifyCsrfTokenResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let (handle, valid) = sessions.verify_csrf_token(&namespace, &id, &request.token).await?;
        caller.note(|notes| notes.handle = Some(handle));
        Ok(VerifyCsrfTokenResponse { valid })
    }
}
