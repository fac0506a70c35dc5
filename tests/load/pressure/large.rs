//! Tests with many large messages at the same time from a well-meaning peer. They wait for room, and all are served.

use crate::common::{LONG, Server};
use crate::pressure::uploads::Uploads;
use bytes::Bytes;
use h2::SendStream;
use prost::Message;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::proto::{
    Call, CreateSessionRequest, ExchangeRequest, GetSessionRequest, SessionChange, UpdateSessionRequest,
};
use std::future::poll_fn;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// More messages than the connection may hold.
const CALLS: u64 = 60;

const SIZE: usize = 200 << 10;

const FLAGS: [&str; 6] = ["--message-memory", "4MiB", "--message-memory-per-connection", "4MiB", "--engine", "memory"];

fn data() -> Bytes {
    Bytes::from(vec![b'x'; SIZE])
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_wait_for_room() {
    let server = Server::start_with(&["--message-memory", "20MiB", "--message-memory-per-connection=20MiB"]);
    let channel = server.channel();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let mut stub = SessionStoreClient::new(channel.clone());
        calls.spawn(async move {
            let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
            for _ in 0..3 {
                let change = SessionChange::new().set("data", data());
                stub.update_session(UpdateSessionRequest::new(&id, change)).await.unwrap();
                stub.get_session(GetSessionRequest::new(&id)).await.unwrap();
            }
        });
    }
    timeout(LONG, calls.join_all()).await.unwrap();
}

/// The flags of a server that has room for 40 of the messages of [`update`].
const SOME_ROOM: [&str; 4] = ["--message-memory", "16MiB", "--message-memory-per-connection", "16MiB"];

/// What is sent of a message at first. The server knows from this how long the message is.
const BEGINNING: usize = 40 << 10;

/// A large update of a session of this server, with the prefix of gRPC.
async fn update(server: &Server) -> Vec<u8> {
    let id = server.client().create(CreateSessionRequest::new()).await.unwrap().session_id;
    let message = UpdateSessionRequest::new(id, SessionChange::new().set("data", data())).encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

async fn send_beginning(stream: &mut SendStream<Bytes>, bytes: &[u8]) {
    stream.reserve_capacity(BEGINNING);
    while stream.capacity() < BEGINNING {
        poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
    }
    stream.send_data(Bytes::copy_from_slice(&bytes[..BEGINNING]), false).unwrap();
}

/// Messages that have room arrive, although others wait that have sent as much as they may.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_do_not_keep_others_from_arriving() {
    let server = Server::start_with(&SOME_ROOM);
    let bytes = update(&server).await;
    let mut uploads = Uploads::connect(&server).await;
    let mut answers = JoinSet::new();
    let mut call = async || {
        let (answer, stream) = uploads.begin("UpdateSession").await;
        answers.spawn(async move {
            let mut body = answer.await.unwrap().into_body();
            while let Some(piece) = body.data().await {
                piece.unwrap();
            }
            body.trailers().await.unwrap()
        });
        stream
    };
    let mut begun = Vec::new();
    for _ in 0..45 {
        let mut stream = call().await;
        send_beginning(&mut stream, &bytes).await;
        begun.push(stream);
    }
    for _ in 0..20 {
        call().await.send_data(Bytes::copy_from_slice(&bytes), true).unwrap();
    }
    for mut stream in begun {
        stream.send_data(Bytes::copy_from_slice(&bytes[BEGINNING..]), true).unwrap();
    }
    for trailers in timeout(LONG, answers.join_all()).await.unwrap() {
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
    }
}

/// What is counted of a message that waits is all that its peer can send of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_a_window_of_a_message_that_waits_is_taken() {
    const WINDOW: usize = 65_535;
    let server = Server::start_with(&SOME_ROOM);
    let bytes = update(&server).await;
    let mut uploads = Uploads::connect(&server).await;
    let mut begun = Vec::new();
    for _ in 0..45 {
        let (answer, mut stream) = uploads.begin("UpdateSession").await;
        send_beginning(&mut stream, &bytes).await;
        begun.push((answer, stream));
    }
    let (_, last) = begun.last_mut().unwrap();
    last.reserve_capacity(WINDOW);
    let more = async {
        while last.capacity() <= WINDOW - BEGINNING {
            poll_fn(|cx| last.poll_capacity(cx)).await.unwrap().unwrap();
        }
    };
    assert!(timeout(Duration::from_millis(500), more).await.is_err(), "the server makes room for more of it");
    // Once there is room, it goes on.
    let (_, mut last) = begun.pop().unwrap();
    drop(begun);
    while last.capacity() < WINDOW {
        timeout(LONG, poll_fn(|cx| last.poll_capacity(cx))).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_wait_for_room() {
    let server = Server::start_with(&FLAGS);
    let channel = server.channel();
    let mut stub = SessionStoreClient::new(channel.clone());
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let mut streams = JoinSet::new();
    for _ in 0..8 {
        let (mut stub, id) = (SessionStoreClient::new(channel.clone()), id.clone());
        streams.spawn(async move {
            let change = || SessionChange::new().set("data", data());
            let messages = (0..CALLS).map(move |number| {
                let update = UpdateSessionRequest::new(&id, change());
                let methods = [Method::Update(update), Method::Get(GetSessionRequest::new(&id))];
                let call = |(at, method)| Call {
                    tag: 2 * number + at,
                    timeout: None,
                    method: Some(method),
                    trace_context: None,
                };
                ExchangeRequest { calls: (0..).zip(methods).map(call).collect() }
            });
            let messages: Vec<ExchangeRequest> = messages.collect();
            let mut replies = stub.exchange(tokio_stream::iter(messages)).await.unwrap().into_inner();
            let mut answered = 0;
            while let Some(message) = replies.message().await.unwrap() {
                for reply in message.replies {
                    assert!(!matches!(reply.result, Some(Answer::Error(_)) | None), "{:?}", reply.tag);
                    answered += 1;
                }
            }
            assert_eq!(answered, 2 * CALLS);
        });
    }
    timeout(LONG, streams.join_all()).await.unwrap();
}
