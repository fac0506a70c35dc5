//! The errors of calls that are refused before a service sees them, because of how their messages arrive or are taken.

use super::grpc::Payload;
use super::status::{Refusal, plain, with_reason};
use crate::session::Error;
use std::collections::HashMap;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// The encodings of messages that are understood.
pub(crate) const ACCEPTED_ENCODINGS: &str = "identity,gzip";

/// The request arrived too slowly.
pub(crate) fn request_too_slow(receive_timeout: Duration, is_draining: bool) -> Status {
    if is_draining {
        return Refusal::NotReady.into();
    }
    let after = humantime::format_duration(receive_timeout);
    plain(
        Code::DeadlineExceeded,
        format!("the request arrived too slowly (setting receive-timeout, {after}); it was not carried out"),
        "REQUEST_TOO_SLOW",
    )
}

/// There is no room for the request.
pub(crate) fn too_many_messages() -> Status {
    plain(
        Code::ResourceExhausted,
        "too many large messages are on their way (settings message-memory-per-connection and message-memory); the call \
         was not carried out",
        "TOO_MANY_REQUESTS",
    )
}

/// There is no room for the answer, because earlier ones have not been taken.
pub(crate) fn answers_not_taken() -> Status {
    plain(
        Code::ResourceExhausted,
        "too many earlier answers have not been taken (settings message-memory-per-connection and message-memory); \
         the call was not carried out",
        "ANSWERS_NOT_TAKEN",
    )
}

/// There are as many streams of reflection as a worker has room for.
pub(crate) fn too_many_reflections(limit: usize) -> Status {
    let message = format!("{limit} streams of reflection are open; end one, or try again");
    plain(Code::ResourceExhausted, message, "TOO_MANY_REQUESTS")
}

/// The request's headers are too large.
pub(crate) fn headers_too_large(actual: usize, limit: usize) -> Status {
    with_reason(
        Code::ResourceExhausted,
        format!("the request headers take {actual} bytes; {limit} are allowed (setting max-header-size)"),
        "HEADERS_TOO_LARGE",
        bounds(limit, Some(actual)),
    )
}

/// A message is larger than allowed once it is decompressed.
pub(crate) fn decompressed_too_large(limit: usize, payload: Payload) -> Status {
    with_reason(
        Code::ResourceExhausted,
        format!("the decompressed message takes more than the {limit} bytes allowed (setting max-message-size)"),
        payload.reason_if_too_large(),
        bounds(limit, None),
    )
}

/// A message can't be decompressed.
pub(crate) fn not_decompressible(problem: &str) -> Status {
    Error::invalid("request", format!("can't be decompressed: {problem}")).into()
}

/// The messages are compressed in a way that the server does not know.
pub(crate) fn unknown_encoding() -> Status {
    let mut status = plain(
        Code::Unimplemented,
        format!("the header grpc-encoding names an unknown encoding; the server knows {ACCEPTED_ENCODINGS}"),
        "UNSUPPORTED_ENCODING",
    );
    status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static(ACCEPTED_ENCODINGS));
    status
}

fn bounds(limit: usize, actual: Option<usize>) -> HashMap<String, String> {
    let actual = actual.map(|actual| ("actual".to_owned(), actual.to_string()));
    actual.into_iter().chain([("limit".to_owned(), limit.to_string())]).collect()
}
