//! The lines for every call.

use super::{logged, told};
use crate::common::access::{AccessFiles, stub_with};
use crate::common::{LONG, Server, eventually};
use serde_json::Value;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::{
    BatchGetSessionsRequest, Call, CreateSessionRequest, DeleteSessionRequest, ExchangeRequest, GetSessionRequest,
    IssueCsrfTokenRequest, IssueHandoffRequest, LockSessionRequest, RedeemHandoffRequest, RotateSessionRequest,
    SessionChange, TouchSessionRequest, UnlockSessionRequest, UpdateSessionRequest, VerifyCsrfTokenRequest,
};
use tokio::time::timeout;

const RULES: &str = "[caller.shop]\nallow = [{ namespaces = [\"default\"], may = [\"application\"] }]\n";

/// The lines of calls on sessions, once there are so many.
async fn lines(server: &Server, count: usize) -> Vec<Value> {
    let lines = || logged(&server.log(), "sessiond::access");
    eventually("the lines are written", async || lines().len() >= count).await;
    lines()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_a_line_with_its_handle_in_both_lanes() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    // Whoever wants few lines otherwise gets these all the same.
    let server = files.serve(&["--access-log", "--log", "error"]);
    let mut stub = stub_with(server.channel(), &token);
    let made = stub.create_session(CreateSessionRequest::new().principal("the-principal")).await.unwrap().into_inner();
    let (first, handle) = (made.session_id, made.session.unwrap().handle);
    stub.get_session(GetSessionRequest::new(&first)).await.unwrap();
    stub.get_session(GetSessionRequest::new("there-is-no-such-session")).await.unwrap_err();
    let change = SessionChange::new().set("n", 1);
    stub.update_session(UpdateSessionRequest::new(&first, change.clone())).await.unwrap();
    stub.touch_session(TouchSessionRequest::new(&first)).await.unwrap();
    let id = stub.rotate_session(RotateSessionRequest::new(&first)).await.unwrap().into_inner().session_id;
    let lock = stub.lock_session(LockSessionRequest::new(&id)).await.unwrap().into_inner().lock_token;
    stub.unlock_session(UnlockSessionRequest::new(&id, &lock)).await.unwrap();
    let ticket = stub.issue_handoff(IssueHandoffRequest::new(&id, "blog")).await.unwrap().into_inner().ticket;
    let other = stub.redeem_handoff(RedeemHandoffRequest::new(&ticket, "blog")).await.unwrap().into_inner().session_id;
    let csrf = stub.issue_csrf_token(IssueCsrfTokenRequest::new(&id)).await.unwrap().into_inner().token;
    stub.verify_csrf_token(VerifyCsrfTokenRequest::new(&id, &csrf)).await.unwrap();
    stub.batch_get_sessions(BatchGetSessionsRequest::new([&id, &first])).await.unwrap();
    let methods = [
        Method::Get(GetSessionRequest::new(&id)),
        Method::Update(UpdateSessionRequest::new(&id, change)),
        Method::Delete(DeleteSessionRequest::by_id(&id)),
        Method::Get(GetSessionRequest::new(&id)),
    ];
    let calls = (1..)
        .zip(methods)
        .map(|(tag, method)| Call { tag, timeout: None, method: Some(method), trace_context: None })
        .collect();
    let mut replies = stub.exchange(tokio_stream::once(ExchangeRequest { calls })).await.unwrap().into_inner();
    while timeout(LONG, replies.message()).await.unwrap().unwrap().is_some() {}

    let lines = lines(&server, 18).await;
    let expected: Vec<String> = [
        ("CreateSession unary", "OK"),
        ("GetSession unary", "OK"),
        ("GetSession unary", "NOT_FOUND"),
        ("UpdateSession unary", "OK"),
        ("TouchSession unary", "OK"),
        ("RotateSession unary", "OK"),
        ("LockSession unary", "OK"),
        ("UnlockSession unary", "OK"),
        ("IssueHandoff unary", "OK"),
        ("RedeemHandoff unary", "OK"),
        ("IssueCsrfToken unary", "OK"),
        ("VerifyCsrfToken unary", "OK"),
        ("BatchGetSessions unary", "1 OK"),
        ("GetSession stream", "OK"),
        ("UpdateSession stream", "OK"),
        ("DeleteSession stream", "1 OK"),
        ("GetSession stream", "NOT_FOUND"),
        ("Exchange unary", "OK"),
    ]
    .into_iter()
    .map(|(call, code)| match (call, code) {
        ("Exchange unary", _) => format!("{call} shop    {code}"),
        ("DeleteSession stream", _) => format!("{call} shop default {handle} {code}"),
        ("BatchGetSessions unary", _) => format!("{call} shop default  {code}"),
        (_, "OK") => format!("{call} shop default {handle}  {code}"),
        _ => format!("{call} shop default   {code}"),
    })
    .collect();
    assert_eq!(told(&lines, &["method", "lane", "caller", "namespace", "handle", "sessions", "code"]), expected);
    for line in &lines {
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:") && line["duration_us"].is_u64(), "{line}");
    }
    let log = server.log();
    for secret in
        [&first, &id, &other, &ticket, &lock, &csrf, "the-principal", token.reveal(), "there-is-no-such-session"]
    {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_is_left_out_and_calls_of_strangers_have_one() {
    let files = AccessFiles::new(RULES);
    let server = files.serve(&["--access-log"]);
    for _ in 0..50 {
        server.stub().get_session(GetSessionRequest::new("there-is-no-such-session")).await.unwrap_err();
    }
    let lines = lines(&server, 50).await;
    assert_eq!(lines.len(), 50);
    assert_eq!(told(&lines[49..], &["method", "caller", "code"]), ["GetSession  UNAUTHENTICATED"]);
    assert!(logged(&server.log(), "sessiond::audit").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_no_call_has_a_line() {
    let mut server = Server::start_with(&["--log", "trace"]);
    let client = server.client();
    client.create(CreateSessionRequest::new()).await.unwrap();
    drop(client);
    server.stop();
    assert!(server.log().contains("created"), "the log is at work");
    assert!(logged(&server.log(), "sessiond::access").is_empty());
}
