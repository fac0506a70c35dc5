//! Tokens against cross-site request forgery.

use crate::client::Client;
use crate::convert::from_id;
use crate::error::Error;
use crate::proto::{IssueCsrfTokenRequest, VerifyCsrfTokenRequest};

impl IssueCsrfTokenRequest {
    /// A token for this session.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { session_id: id.into(), ..Self::default() }
    }
}

impl VerifyCsrfTokenRequest {
    /// Whether the token was issued for this session.
    #[must_use]
    pub fn new(id: impl Into<String>, token: impl Into<String>) -> Self {
        Self { session_id: id.into(), token: token.into(), ..Self::default() }
    }
}

from_id!(IssueCsrfTokenRequest::new);

impl Client {
    /// Issues a token for a form or a header; it looks different each time. Takes an ID or a whole request.
    pub async fn issue_csrf_token(&self, request: impl Into<IssueCsrfTokenRequest>) -> Result<String, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.issue_csrf_token(request).await }).await?;
        Ok(response.token)
    }

    /// True if the token was issued for this session under this ID.
    pub async fn verify_csrf_token(&self, mut request: VerifyCsrfTokenRequest) -> Result<bool, Error> {
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.verify_csrf_token(request).await }).await?;
        Ok(response.valid)
    }
}
