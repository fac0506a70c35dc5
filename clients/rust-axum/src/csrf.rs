//! Tokens against cross-site request forgery.

use axum_core::body::Body;
use axum_core::extract::Request;
use axum_core::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use sessiond_client::Error as StoreError;
use sessiond_client::proto::VerifyCsrfTokenRequest;

use crate::error::Error;
use crate::session::Session;

/// The header in which scripts send a token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The field in which forms send a token.
pub const CSRF_FIELD: &str = "csrf_token";

/// The largest form that is read for its token.
const LARGEST_FORM: usize = 2 * 1024 * 1024;

impl Session {
    /// A token for a form or a script of this page. It looks different each time, and is valid until the session ends or gets
    /// a new ID. A session that is new, or is to get a new ID, is stored first.
    pub async fn csrf_token(&self) -> Result<String, Error> {
        let id = self.stored_id().await?;
        Ok(self.manager().client.issue_csrf_token(id).await?)
    }

    /// Whether a token was issued for this session under its present ID.
    pub async fn verify_csrf_token(&self, token: &str) -> Result<bool, Error> {
        let Some(id) = self.lock().id.clone().filter(|_| !token.is_empty()) else { return Ok(false) };
        match self.manager().client.verify_csrf_token(VerifyCsrfTokenRequest::new(id, token)).await {
            Err(StoreError::SessionNotFound | StoreError::InvalidArgument { .. }) => Ok(false),
            verified => Ok(verified?),
        }
    }
}

/// The request, if it needs no token or brings one; otherwise the answer that refuses it.
pub(crate) async fn check(session: &Session, request: Request) -> Result<Result<Request, Response>, Error> {
    if [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(request.method()) {
        return Ok(Ok(request));
    }
    let (token, request) = match token(request).await {
        Ok(found) => found,
        Err(status) => return Ok(Err(status.into_response())),
    };
    if session.verify_csrf_token(&token).await? {
        return Ok(Ok(request));
    }
    let text = "The form is too old, or not from this site. Go back, load the page again and repeat.";
    Ok(Err((StatusCode::FORBIDDEN, text).into_response()))
}

/// The token of a request, and the request as it was; empty if there is none.
async fn token(request: Request) -> Result<(String, Request), StatusCode> {
    if let Some(token) = request.headers().get(CSRF_HEADER) {
        return Ok((token.to_str().unwrap_or_default().to_owned(), request));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Other bodies are the handler's to read.
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok((String::new(), request));
    }
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_FORM).collect().await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes();
    let token =
        form_urlencoded::parse(&body).find_map(|(name, value)| (name == CSRF_FIELD).then(|| value.into_owned()));
    Ok((token.unwrap_or_default(), Request::from_parts(parts, Body::from(body))))
}
