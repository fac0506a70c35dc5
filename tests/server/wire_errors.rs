//! Tests of errors that arise before a method is reached: each has a reason, and a code that says whose fault it is.

use crate::common::{Server, assert_blamed, raw, reason};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const STORE: &str = "/sessiond.v1.SessionStore";
const GET: &str = "/sessiond.v1.SessionStore/GetSession";
const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[track_caller]
fn assert_reason(status: Option<Status>, code: Code, expected: &str) {
    let status = status.expect("an error of gRPC");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().domain, "sessiond");
    assert!(!status.message().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_message_of_the_method_is_the_callers_fault() {
    let server = Server::start();
    let garbage = raw::call(server.channel(), GET, &b"\xff\xff\xff\xff"[..]).await.unwrap_err();
    assert_blamed(&garbage, "request", "");
    // Field 2 of the request is the session ID.
    let id = b"\x12\x15secret-session-id-\xc3\x28\xff".to_vec();
    for method in ["GetSession", "TouchSession", "UpdateSession", "RotateSession", "CreateSession", "LockSession"] {
        let status = raw::call_store(server.channel(), method, id.clone()).await.unwrap_err();
        assert_blamed(&status, "session_id", "secret-session-id");
    }
    let change = raw::call_store(server.channel(), "UpdateSession", &b"\x1a\x03\x22\x01\xff"[..]).await.unwrap_err();
    assert_blamed(&change, "change.principal", "");
    // A request without bytes is an empty message, which is valid.
    let empty = raw::call(server.channel(), GET, &b""[..]).await.unwrap_err();
    assert_blamed(&empty, "session_id", "");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_frames_are_the_callers_fault() {
    let server = Server::start();
    for body in ["", "\0\0\0\0\x09cut off", "\x01\0\0\0\x01a", "\x07\0\0\0\x01a"] {
        let (_, status) = raw::post(server.channel(), GET, &[GRPC], body).await;
        assert_reason(status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    let encoding = ("grpc-encoding", "unheard-of");
    let (_, status) = raw::post(server.channel(), GET, &[GRPC, encoding], "\x01\0\0\0\x01a").await;
    assert_reason(status, Code::Unimplemented, "UNSUPPORTED_ENCODING");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_has_a_reason() {
    let server = Server::start();
    for path in ["/sessiond.v1.SessionStore/Guess", "/sessiond.v1.Admin/Guess", "/another.Service/GetSession", "/"] {
        let (_, status) = raw::post(server.channel(), path, &[GRPC], "").await;
        assert_reason(status, Code::Unimplemented, "UNKNOWN_METHOD");
    }
    let asked = raw::call(server.channel(), "/grpc.health.v1.Health/Check", &b"\x0a\x01x"[..]).await;
    assert_reason(asked.err(), Code::NotFound, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_content_type_of_grpc_is_served() {
    let server = Server::start();
    let typed = |content_type| [("content-type", content_type)];
    for content_type in ["text/html", "application/json", "application/grpc-web", "application/grpcx", ""] {
        let (http, status) = raw::post(server.channel(), GET, &typed(content_type), "\0\0\0\0\0").await;
        assert_eq!(http, 415, "{content_type}");
        assert_reason(status, Code::InvalidArgument, "UNSUPPORTED_CONTENT_TYPE");
    }
    let (http, status) = raw::post(server.channel(), GET, &[], "\0\0\0\0\0").await;
    assert_eq!(http, 415);
    assert_reason(status, Code::InvalidArgument, "UNSUPPORTED_CONTENT_TYPE");
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let (http, status) = raw::post(server.channel(), GET, &typed(content_type), "\0\0\0\0\0").await;
        assert_eq!(http, 200);
        assert_blamed(&status.unwrap(), "session_id", "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_requests_end_with_a_reason() {
    let server = Server::start();
    let exchange = format!("{STORE}/Exchange");
    for path in [&exchange, "/sessiond.v1.Admin/Restore"] {
        let garbage = raw::end(server.channel(), path, &b"\xff\xff\xff\xff"[..]).await.unwrap();
        assert_blamed(&garbage, "request", "");
        let large = raw::end(server.channel(), path, vec![0; 5 << 20]).await.unwrap();
        let metadata = large.get_details_error_info().unwrap().metadata;
        assert_eq!((metadata["limit"].as_str(), metadata["actual"].as_str()), ("4194304", "5242880"));
        assert_reason(Some(large), Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    }
    // A restore that was refused leaves room for the next one at once.
    for _ in 0..200 {
        let garbage = raw::end(server.channel(), "/sessiond.v1.Admin/Restore", &b"\xff\xff\xff\xff"[..]).await.unwrap();
        assert_blamed(&garbage, "request", "");
    }
    // One call of a message has an ID that is not UTF-8.
    let call = raw::end(server.channel(), &exchange, &b"\x0a\x05\x22\x03\x12\x01\xff"[..]).await.unwrap();
    assert_blamed(&call, "calls.method.session_id", "");
}
