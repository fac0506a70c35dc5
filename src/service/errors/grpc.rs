//! Errors that arise below the methods: while a request is routed to its method, and while messages are framed and decoded.
//! The gRPC implementation knows no reasons. Here each such error gets one.

use super::status::{plain, with_reason};
use crate::session::Error;
use std::collections::HashMap;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderMap, Response, StatusCode};
use tonic::{Code, Status};

/// The content type of gRPC. The format of the messages or a parameter may follow it.
const GRPC: &[u8] = b"application/grpc";

/// What the messages of a request hold. It decides the reason of the error if one is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A session's data: a request that is too large is a session that is too large.
    Session,
    /// Anything else.
    Other,
}

impl Payload {
    /// What the requests of the method at this path hold.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/sessiond.v1.SessionStore/CreateSession"
            | "/sessiond.v1.SessionStore/UpdateSession"
            | "/sessiond.v1.SessionStore/RotateSession" => Self::Session,
            _ => Self::Other,
        }
    }

    /// The reason of the error that a request is too large.
    pub(super) fn reason_if_too_large(self) -> &'static str {
        match self {
            Self::Session => "SESSION_TOO_LARGE",
            Self::Other => "MESSAGE_TOO_LARGE",
        }
    }
}

/// The answer to a request that is not gRPC; `None` if it is.
pub(crate) fn refuse_other_protocols<B: Default>(headers: &HeaderMap) -> Option<Response<B>> {
    let content_type = headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    if matches!(content_type.strip_prefix(GRPC), Some([] | [b'+' | b';', ..])) {
        return None;
    }
    let status = plain(
        Code::InvalidArgument,
        "the content type is not application/grpc; the server speaks only gRPC",
        "UNSUPPORTED_CONTENT_TYPE",
    );
    let mut response = status.into_http();
    // Clients that know nothing of gRPC see an error, too.
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Some(response)
}

/// There is no such service or method.
pub(crate) fn unknown_method() -> Status {
    plain(Code::Unimplemented, "the server has no such method; it may be older than its client", "UNKNOWN_METHOD")
}

/// Adds a reason to an answer that is an error without one.
pub(crate) fn add_reason<B>(response: &mut Response<B>, payload: Payload) {
    let headers = response.headers_mut();
    // A successful answer has its status behind its messages.
    if !headers.contains_key(Status::GRPC_STATUS) || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    if let Some(status) = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok) {
        // This fails only on what no header can hold. Then the error goes out as it is.
        explain(&status, payload).add_header(headers).ok();
    }
}

/// The error with which reading a stream of requests ended, with a reason.
pub(in crate::service) fn of_stream(status: Status) -> Status {
    if status.details().is_empty() { explain(&status, Payload::Other) } else { status }
}

/// The bytes of a request are not the message that they should be.
pub(in crate::service) fn undecodable(error: &prost::DecodeError) -> Status {
    let text = error.to_string();
    let mut problem = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    // The text begins with the names of the message and the field at each level, the innermost first.
    let mut path = String::new();
    while let Some((level, rest)) = problem.split_once(": ")
        && let Some((message, field)) = level.split_once('.')
        && [message, field].iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    {
        path = if path.is_empty() { field.to_owned() } else { format!("{field}.{path}") };
        problem = rest;
    }
    let field = if path.is_empty() { "request".to_owned() } else { path };
    Error::invalid(field, format!("can't be decoded: {problem}")).into()
}

/// An error of the gRPC implementation in the words of the contract.
fn explain(status: &Status, payload: Payload) -> Status {
    let message = status.message();
    match status.code() {
        // A message is too large, or a compressed one is.
        Code::OutOfRange | Code::ResourceExhausted => too_large(message, payload),
        // A message is cut off, left out or wrongly framed.
        Code::Internal => Error::invalid("request", format!("can't be read: {message}")).into(),
        // It has a text only for an unknown encoding.
        Code::Unimplemented if message.is_empty() => unknown_method(),
        Code::Unimplemented => plain(Code::Unimplemented, message, "UNSUPPORTED_ENCODING"),
        code => plain(code, message, code_name(code)),
    }
}

fn too_large(message: &str, payload: Payload) -> Status {
    let numbers = message.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok());
    let mut metadata = HashMap::new();
    let text = if let [actual, limit] = numbers.collect::<Vec<_>>()[..] {
        metadata.insert("limit".to_owned(), limit.to_string());
        metadata.insert("actual".to_owned(), actual.to_string());
        format!("the request takes {actual} bytes, above the limit of {limit} (setting max-message-size)")
    } else {
        "the request is larger than the limit (setting max-message-size)".to_owned()
    };
    with_reason(Code::ResourceExhausted, text, payload.reason_if_too_large(), metadata)
}

/// The name of a code in the contract of gRPC.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use tonic_types::StatusExt;

    fn explained(status: &Status, payload: Payload) -> (Code, String) {
        let explained = explain(status, payload);
        (explained.code(), explained.get_details_error_info().unwrap().reason)
    }

    #[test]
    fn every_error_of_grpc_has_a_reason() {
        let exhausted = Code::ResourceExhausted;
        for (status, code, reason) in [
            (Status::out_of_range("found 12 bytes, the limit is: 10 bytes"), exhausted, "MESSAGE_TOO_LARGE"),
            (Status::resource_exhausted("while decompressing"), exhausted, "MESSAGE_TOO_LARGE"),
            (Status::internal("Missing request message."), Code::InvalidArgument, "INVALID_ARGUMENT"),
            (Status::unimplemented(""), Code::Unimplemented, "UNKNOWN_METHOD"),
            (Status::unimplemented("compressed with `gzip`"), Code::Unimplemented, "UNSUPPORTED_ENCODING"),
            (Status::not_found("no such service"), Code::NotFound, "NOT_FOUND"),
        ] {
            assert_eq!(explained(&status, Payload::Other), (code, reason.into()), "{status:?}");
        }
        let status = Status::out_of_range("found 12 bytes, the limit is: 10 bytes");
        assert_eq!(explained(&status, Payload::Session), (exhausted, "SESSION_TOO_LARGE".into()));
        let metadata = explain(&status, Payload::Session).get_details_error_info().unwrap().metadata;
        assert_eq!((metadata["actual"].as_str(), metadata["limit"].as_str()), ("12", "10"));
    }

    #[test]
    fn what_can_not_be_decoded_is_named() {
        let field = |message: &[u8]| {
            let error = crate::proto::UpdateSessionRequest::decode(message).unwrap_err();
            undecodable(&error).get_details_bad_request().unwrap().field_violations.remove(0).field
        };
        assert_eq!(field(&[0x12, 1, 0xff]), "session_id");
        assert_eq!(field(&[0x1a, 3, 0x22, 1, 0xff]), "change.principal");
        assert_eq!(field(&[0xff]), "request");
    }
}
