//! Many large messages at a time, of a peer that means well: they wait for room, and all are served.

use crate::common::{LONG, Server};
use bytes::Bytes;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::proto::{
    Call, CreateSessionRequest, ExchangeRequest, GetSessionRequest, SessionChange, UpdateSessionRequest,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Several times what the connection may hold.
const CALLS: u64 = 60;

const SIZE: usize = 200 << 10;

const FLAGS: [&str; 6] = ["--message-memory", "4MiB", "--message-memory-per-connection", "4MiB", "--engine", "memory"];

fn data() -> Bytes {
    Bytes::from(vec![b'x'; SIZE])
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_wait_for_room() {
    let server = Server::start_with(&FLAGS);
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
                let call = |(at, method)| Call { tag: 2 * number + at, timeout: None, method: Some(method) };
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
