//! An error, as the page is told it: `{"error": {"code": …, "reason": …, "message": …}}`.

use super::answer::json;
use crate::service::code_name;
use serde::Serialize;
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderName, WWW_AUTHENTICATE};
use tonic::codegen::http::{HeaderValue, Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Code,
    reason: String,
    message: String,
    header: Option<(HeaderName, &'static str)>,
}

/// The same in JSON.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    error: Problem<'a>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    reason: &'a str,
    message: &'a str,
}

impl Refusal {
    fn new(status: StatusCode, code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self { status, code, reason: reason.to_owned(), message: message.into(), header: None }
    }

    /// The request is meant for somebody else.
    pub(super) fn misdirected(message: String) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, Code::PermissionDenied, "UNKNOWN_HOST", message)
    }

    /// The console's page has not sent it.
    pub(super) fn forged(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "FORGED_REQUEST", message)
    }

    pub(super) fn wrong_method(message: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidArgument, "WRONG_METHOD", message)
    }

    pub(super) fn wrong_type(message: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, "UNSUPPORTED_CONTENT_TYPE", message)
    }

    pub(super) fn not_there(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::Unimplemented, "UNKNOWN_METHOD", message)
    }

    pub(super) fn too_large(message: String) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", message)
    }

    pub(super) fn too_slow(message: String) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, "REQUEST_TOO_SLOW", message)
    }

    pub(super) fn too_many_streams(message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
    }

    /// Something in the request is not as it must be.
    pub(super) fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "INVALID_ARGUMENT", message)
    }

    /// Adds a header to the answer.
    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The code that stands for it in logs and counts.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn told(&self) -> Told<'_> {
        Told { error: Problem { code: code_name(self.code), reason: &self.reason, message: &self.message } }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, &self.told(), None);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        let refusal = Self::new(http_status(status.code()), status.code(), &reason, status.message());
        // RFC 9110, 11.6.1. A browser asks nobody for this kind of credential.
        if status.code() == Code::Unauthenticated { refusal.with(WWW_AUTHENTICATE, "Bearer") } else { refusal }
    }
}

/// The status of HTTP for a code, as gRPC's gateways have it.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
