//! Changes of the rules and the tokens, while calls go on.

use super::RULES;
use crate::common::access::{AccessFiles, stub_with};
use crate::common::metrics::scrape;
use crate::common::{LONG, Server, eventually};
use rustix::process::Signal;
use sessiond::authorization::Token;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{
    Call, CreateSessionRequest, ExchangeRequest, ExchangeResponse, ListSessionsRequest, WatchSessionsRequest,
};
use sessiond_client::{Health, RetryPolicy};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

fn in_shop() -> CreateSessionRequest {
    CreateSessionRequest { namespace: "shop".into(), ..CreateSessionRequest::default() }
}

async fn code_of(server: &Server, token: &Token) -> Code {
    let created = stub_with(server.channel(), token).create_session(in_shop()).await;
    created.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// An exchange stream that was opened with a token.
struct Lane {
    calls: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<ExchangeResponse>,
}

impl Lane {
    async fn open(server: &Server, token: &Token) -> Self {
        let (calls, sent) = mpsc::channel(1);
        let opened = stub_with(server.channel(), token).exchange(ReceiverStream::new(sent)).await;
        Self { calls, replies: opened.unwrap().into_inner() }
    }

    async fn call(&mut self) -> Code {
        let call = Call { tag: 1, timeout: None, method: Some(Method::Create(in_shop())), trace_context: None };
        self.calls.send(ExchangeRequest { calls: vec![call] }).await.unwrap();
        let message = timeout(LONG, self.replies.message()).await.unwrap().unwrap().unwrap();
        match message.replies.into_iter().next().unwrap().result.unwrap() {
            Answer::Error(error) => Code::from_i32(error.code),
            _ => Code::Ok,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_rotated_and_revoked_without_a_restart() {
    let files = AccessFiles::new(RULES);
    let old = files.token("shop");
    let server = files.serve(&[]);
    let mut lane = Lane::open(&server, &old).await;
    assert_eq!(lane.call().await, Code::Ok);

    let new = files.token("shop");
    assert_eq!(code_of(&server, &new).await, Code::Ok, "also if it was made just before");
    assert_eq!((code_of(&server, &old).await, lane.call().await), (Code::Ok, Code::Ok));

    files.tokens().revoke(old.id()).unwrap();
    server.signal(Signal::HUP);
    eventually("the old token is refused", async || code_of(&server, &old).await == Code::Unauthenticated).await;
    assert_eq!(lane.call().await, Code::Unauthenticated, "also on a stream that is open");
    assert_eq!(lane.call().await, Code::Unauthenticated, "which stays open");
    assert_eq!(code_of(&server, &new).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_tokens_are_refused_however_many_there_are() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    let server = files.serve(&[]);
    let channel = server.channel();
    let guesses: Vec<_> = (0..500)
        .map(|_| {
            let mut stub = stub_with(channel.clone(), &Token::mint().unwrap());
            tokio::spawn(async move { stub.create_session(in_shop()).await.unwrap_err().code() })
        })
        .collect();
    assert_eq!(code_of(&server, &token).await, Code::Ok, "others do not wait for them");
    for guess in guesses {
        assert_eq!(timeout(LONG, guess).await.unwrap().unwrap(), Code::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_at_its_time_also_on_open_streams() {
    let files = AccessFiles::new(RULES);
    let brief = files.brief_token("shop", Duration::from_secs(5));
    let server = files.serve(&[]);
    let mut lane = Lane::open(&server, &brief).await;
    assert_eq!(lane.call().await, Code::Ok);
    let watch = WatchSessionsRequest { namespace: "shop".into(), ..WatchSessionsRequest::default() };
    let mut events = stub_with(server.channel(), &brief).watch_sessions(watch).await.unwrap().into_inner();
    let ended = timeout(LONG, async {
        loop {
            if let Err(status) = events.message().await {
                return status;
            }
        }
    });
    assert_eq!(ended.await.unwrap().code(), Code::Unauthenticated);
    assert_eq!(lane.call().await, Code::Unauthenticated);
    assert_eq!(code_of(&server, &brief).await, Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_change_hold_for_the_next_call_and_end_watchers() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    let server = files.serve(&[]);
    let mut lane = Lane::open(&server, &token).await;
    let watch = WatchSessionsRequest { namespace: "shop".into(), ..WatchSessionsRequest::default() };
    let mut events = stub_with(server.channel(), &token).watch_sessions(watch).await.unwrap().into_inner();
    assert!(events.message().await.unwrap().is_some(), "the first checkpoint");
    files.write("access.toml", "[caller.shop]\nallow = [{ namespaces = [\"shop\"], may = [\"principals\"] }]\n");
    server.signal(Signal::HUP);
    let ended = timeout(LONG, async {
        loop {
            if let Err(status) = events.message().await {
                return status;
            }
        }
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.message(), "the caller shop has no permission watch in the namespace shop");
    assert_eq!(lane.call().await, Code::PermissionDenied);
    let list =
        ListSessionsRequest { namespace: "shop".into(), principal: "a".into(), ..ListSessionsRequest::default() };
    stub_with(server.channel(), &token).list_sessions(list).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_can_not_be_used_leave_the_rules_before() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    let server = files.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let health = server.client_builder().retry(RetryPolicy::never()).connect_lazy().unwrap();
    let is = async |wanted| health.health("sessiond.access").await.unwrap() == wanted;
    let stale = || scrape(server.metrics_address()).value("sessiond_access_stale");
    assert!(is(Health::Serving).await && stale() < 0.5);

    files.write("access.toml", &RULES.replace("application", "everything"));
    eventually("health tells", async || is(Health::NotServing).await).await;
    assert!(stale() > 0.5);
    assert_eq!(code_of(&server, &token).await, Code::Ok);
    assert_eq!(health.health("").await.unwrap(), Health::Serving, "it serves all the same");
    let log = server.log();
    let told = log.lines().find(|line| line.contains("the access rules can't be renewed")).unwrap();
    assert!(told.contains("caller.both: may: \\\"everything\\\" is no permission"), "{told}");

    files.write("access.toml", RULES);
    eventually("health tells", async || is(Health::Serving).await).await;
    assert!(stale() < 0.5);
}
