//! What can go wrong.

use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sessiond_client::Error as StoreError;

/// Why something about a session failed. As a response it is a status without details.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The session has ended, or got a new ID, since the request loaded it: 409.
    Ended,
    /// It needs a user, and nobody is logged in: 401.
    Nobody,
    /// The ticket of a hand-off is unknown, used, too old, or for another audience: 403.
    HandoffInvalid,
    /// The store can't be used now: 503. For any other fault of the store: 500.
    Store(StoreError),
}

impl Error {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Ended => StatusCode::CONFLICT,
            Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::HandoffInvalid => StatusCode::FORBIDDEN,
            Self::Store(
                StoreError::Unavailable { .. }
                | StoreError::DeadlineExceeded { .. }
                | StoreError::NotReady { .. }
                | StoreError::TooManyRequests { .. }
                | StoreError::StorageFull { .. },
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SessionNotFound | StoreError::SessionIdRetired => Self::Ended,
            StoreError::HandoffInvalid => Self::HandoffInvalid,
            error => Self::Store(error),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("the session has ended, or got a new ID, since this request began"),
            Self::Nobody => f.write_str("nobody is logged in"),
            Self::HandoffInvalid => f.write_str("the ticket is unknown, used, too old, or for another audience"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, status.canonical_reason().unwrap_or_default()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A setting that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingError(pub(crate) &'static str);

impl std::fmt::Display for SettingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for SettingError {}
