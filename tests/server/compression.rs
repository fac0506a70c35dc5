//! Tests of messages that are compressed with gzip.

use crate::common::wire::{
    DATA, END_HEADERS, END_STREAM, Frame, HEADERS, Peer, call, call_headers, frame, literal, message,
};
use crate::common::{Server, reason};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use prost::Message;
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, GetSessionResponse, SessionChange, UpdateSessionRequest,
};
use std::io::Read;
use tonic::{Code, Request};

/// By how much a server may grow over a message that compresses very well.
const GROWTH: u64 = 32 << 20;

/// A compressed message with its prefix.
fn compress(request: &impl Message) -> Vec<u8> {
    let mut compressed = vec![0; 5];
    GzEncoder::new(&message(request)[5..], Compression::fast()).read_to_end(&mut compressed).unwrap();
    let length = u32::try_from(compressed.len() - 5).unwrap();
    compressed[0] = 1;
    compressed[1..5].copy_from_slice(&length.to_be_bytes());
    compressed
}

/// Makes a call with a compressed message, which accepts a compressed answer.
fn call_compressed(peer: &mut Peer, method: &str, stream: u32, compressed: &[u8]) {
    let mut headers = call_headers(method);
    literal(&mut headers, b"grpc-encoding", b"gzip");
    literal(&mut headers, b"grpc-accept-encoding", b"identity, deflate, gzip");
    assert!(peer.send(&frame(HEADERS, END_HEADERS, stream, &headers)));
    peer.send_body(stream, compressed);
}

/// The message of an answer, with its prefix; it must have one.
fn answer(peer: &mut Peer, stream: u32) -> Vec<u8> {
    let mut answer = Vec::new();
    let ends = |frame: &Frame| frame.stream == stream;
    loop {
        let frame = peer.receive(ends).unwrap();
        if frame.kind == DATA {
            answer.extend(&frame.payload);
        }
        if frame.flags & END_STREAM != 0 {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_call_gets_a_compressed_answer() {
    let server = Server::start();
    let client = server.client();
    let new = CreateSessionRequest::new().attribute("data", Bytes::from(vec![b'x'; 40_000]));
    let id = client.create(new).await.unwrap().session_id;
    let mut peer = Peer::agree(server.address());

    // One message is small. The other takes several frames, and another thread compresses it.
    for (stream, size) in [(1, 10), (3, 140_000)] {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let data: Bytes = (0..size).map(|_| noise()).collect();
        let change = SessionChange::new().set("more", data.clone());
        let update = UpdateSessionRequest::new(&id, change);
        call_compressed(&mut peer, "UpdateSession", stream, &compress(&update));
        assert!(!answer(&mut peer, stream).is_empty());
        let session = client.get(&id).await.unwrap().session;
        assert_eq!(session.attributes["more"].as_bytes().unwrap(), &data);
    }

    // Its answer fits into the connection's first window.
    client.update(&id, SessionChange::new().remove("more")).await.unwrap();
    let get = GetSessionRequest::new(&id);
    call_compressed(&mut peer, "GetSession", 5, &compress(&get));
    let compressed = answer(&mut peer, 5);
    assert_eq!(compressed[0], 1);
    let mut plain = Vec::new();
    GzDecoder::new(&compressed[5..]).read_to_end(&mut plain).unwrap();
    // A caller that does not accept compression gets the plain answer.
    assert!(peer.send(&call("GetSession", 7, &get)));
    let uncompressed = answer(&mut peer, 7);
    assert_eq!(uncompressed[0], 0);
    let [plain, uncompressed] =
        [&plain[..], &uncompressed[5..]].map(|message| GetSessionResponse::decode(message).unwrap().session.unwrap());
    assert_eq!(plain.attributes, uncompressed.attributes);
    assert!(compressed.len() < uncompressed.encoded_len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_grows_beyond_the_bound_is_refused() {
    let server = Server::start();
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let before = server.memory();
    let bomb = SessionChange::new().set("a", Bytes::from(vec![0; 64 << 20]));
    let bomb = compress(&UpdateSessionRequest::new(&id, bomb));
    assert!(bomb.len() < 512 << 10);
    let mut peer = Peer::agree(server.address());
    call_compressed(&mut peer, "UpdateSession", 1, &bomb);
    assert!(answer(&mut peer, 1).is_empty(), "an error has no message");
    assert!(server.peak_memory() < before + GROWTH, "{} bytes", server.peak_memory());
    // The connection is as good as before.
    assert!(peer.send(&call("GetSession", 3, &GetSessionRequest::new(&id))));
    assert!(!answer(&mut peer, 3).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_encoding_is_refused_and_told_what_is_known() {
    let server = Server::start();
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let request = |encoding: &str| {
        let mut request = Request::new(GetSessionRequest::new(&id));
        request.metadata_mut().insert("grpc-encoding", encoding.parse().unwrap());
        request
    };
    // Nothing needs to be compressed.
    stub.get_session(request("gzip")).await.unwrap();
    stub.get_session(request("identity")).await.unwrap();
    let status = stub.get_session(request("snappy")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "UNSUPPORTED_ENCODING"));
    assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "identity,gzip");
}
