//! The errors of calls that are refused before a service sees them, for the sake of how they arrive or are taken.

use super::status::{Refusal, with_reason};
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};

/// The request did not arrive in its time.
pub(crate) fn request_too_slow(receive_timeout: Duration, is_draining: bool) -> Status {
    if is_draining {
        return Refusal::NotReady.into();
    }
    let after = humantime::format_duration(receive_timeout);
    with_reason(
        Code::DeadlineExceeded,
        format!("the request did not arrive in its time (setting receive-timeout, {after}); it was not carried out"),
        "REQUEST_TOO_SLOW",
        HashMap::new(),
    )
}

/// There is no room for the answer, because the caller does not take those before it.
pub(crate) fn answers_not_taken() -> Status {
    with_reason(
        Code::ResourceExhausted,
        "too many answers wait to be taken (settings message-memory-per-connection and message-memory); the call was \
         not carried out",
        "ANSWERS_NOT_TAKEN",
        HashMap::new(),
    )
}

/// The request's headers are too large.
pub(crate) fn headers_too_large(actual: usize, limit: usize) -> Status {
    with_reason(
        Code::ResourceExhausted,
        format!("the request headers take {actual} bytes, {limit} are allowed (setting max-header-size)"),
        "HEADERS_TOO_LARGE",
        HashMap::from([("limit".into(), limit.to_string()), ("actual".into(), actual.to_string())]),
    )
}
