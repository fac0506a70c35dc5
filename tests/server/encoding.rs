//! Tests of requests that no library would encode this way, and of messages beyond the limit. They are refused without
//! harm, and without a word of the session ID.

use crate::common::{Server, assert_blamed, assert_silent, reason};
use prost::bytes::{BufMut, Bytes};
use sessiond_client::proto::{CreateSessionRequest, CreateSessionResponse, Value};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// A request to create a session, with attributes that no library would encode this way.
#[derive(Clone, prost::Message)]
struct RawCreate {
    #[prost(bytes = "bytes", tag = "2")]
    session_id: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    attributes: Vec<Bytes>,
}

async fn create_raw(server: &Server, request: RawCreate) -> Status {
    let mut grpc = tonic::client::Grpc::new(server.channel());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/sessiond.v1.SessionStore/CreateSession");
    let codec = ProstCodec::<RawCreate, CreateSessionResponse>::default();
    grpc.unary(Request::new(request), path, codec).await.unwrap_err()
}

/// An entry named "v" with this encoded value.
fn entry(value: &[u8]) -> Bytes {
    let mut entry = vec![0x0a, 1, b'v', 0x12];
    entry.put_u8(u8::try_from(value.len()).unwrap());
    entry.put_slice(value);
    entry.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_no_client_could_read_are_refused() {
    let server = Server::start();
    let malformed: [&[u8]; 6] = [
        // Text that is not UTF-8, alone and in a list.
        &[0x2a, 2, 0xc3, 0x28],
        &[0x42, 6, 0x0a, 4, 0x2a, 2, 0xc3, 0x28],
        // Text longer than the value.
        &[0x2a, 9, b'a'],
        // A kind that is not in the contract.
        &[0x58, 1],
        // A group, which protobuf no longer has, and a varint without an end.
        &[0x0b, 0x0c],
        &[0x18, 0xff, 0xff],
    ];
    for value in malformed {
        let status = create_raw(&server, RawCreate { attributes: vec![entry(value)], ..Default::default() }).await;
        assert_blamed(&status, "attributes[\"v\"]", "");
    }
    // The name is not UTF-8, or the entry is cut short, so the error has no name to show.
    for entry in [&[0x0a, 2, 0xc3, 0x28, 0x12, 2, 0x10, 1][..], &[0x0a, 9, b'v']] {
        let attributes = vec![Bytes::from_static(entry)];
        let status = create_raw(&server, RawCreate { attributes, ..Default::default() }).await;
        assert_blamed(&status, "attributes[\"\"]", "");
    }
    // Bytes that are no message are refused before any field is checked.
    let session_id = Bytes::from_static(b"secret-session-id\xc3\x28");
    let status = create_raw(&server, RawCreate { session_id, ..Default::default() }).await;
    assert_blamed(&status, "session_id", "secret-session-id");
    server.client().create(CreateSessionRequest::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_the_limit_is_refused() {
    let server = Server::start_with(&["--max-message-size", "512KiB"]);
    let mut stub = server.stub();
    let id = "an-oversize-session-id";
    let large = |bytes: usize| Value::from(vec![7; bytes]);
    let request = CreateSessionRequest::new().session_id(id).attribute("v", large(600 << 10));
    let status = stub.create_session(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "SESSION_TOO_LARGE"), "{status:?}");
    assert!(status.message().contains("524288"), "the limit is named: {status:?}");
    assert_silent(&status, id);
    let request = CreateSessionRequest::new().session_id(id).attribute("v", large(200 << 10));
    stub.create_session(request).await.unwrap();
}
