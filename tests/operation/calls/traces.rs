//! The traces that callers name, in the log.

use super::{logged, told};
use crate::common::{LONG, Server, eventually};
use sessiond_client::proto::call::Method;
use sessiond_client::proto::{Call, CreateSessionRequest, ExchangeRequest, GetSessionRequest, TraceContext};
use tokio::time::timeout;
use tonic::Request;

/// A traceparent of this trace, of which the caller's span is the parent.
pub(super) fn traceparent(trace: u128, parent: u64, flags: &str) -> String {
    format!("00-{trace:032x}-{parent:016x}-{flags}")
}

/// A request that names a trace.
pub(super) fn traced<T>(message: T, traceparent: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

/// Carries out these calls, each of the trace that it names, on a stream of their own.
pub(super) async fn exchange(server: &Server, calls: Vec<(Method, &str)>) {
    let named = |traceparent: &str| TraceContext { traceparent: traceparent.into(), tracestate: "vendor=1".into() };
    let call = |(tag, (method, traceparent))| Call {
        tag,
        timeout: None,
        method: Some(method),
        trace_context: Some(Box::new(named(traceparent))),
    };
    let calls = (1..).zip(calls).map(call).collect();
    let mut replies = server.stub().exchange(tokio_stream::once(ExchangeRequest { calls })).await.unwrap().into_inner();
    while timeout(LONG, replies.message()).await.unwrap().unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lines_tell_the_trace_in_both_lanes_sampled_or_not() {
    let server = Server::start_with(&["--access-log"]);
    let mut stub = server.stub();
    let get = || GetSessionRequest::new("there-is-no-such-session");
    stub.create_session(traced(CreateSessionRequest::new(), &traceparent(1, 9, "01"))).await.unwrap();
    stub.get_session(traced(get(), &traceparent(2, 9, "00"))).await.unwrap_err();
    stub.get_session(get()).await.unwrap_err();
    // What is garbled is no trace, and the call is carried out.
    for garbled in ["00-1-2-01", &traceparent(0, 9, "01"), &traceparent(3, 0, "01"), &"0".repeat(4_000)] {
        stub.get_session(traced(get(), garbled)).await.unwrap_err();
    }
    let long = "0".repeat(100_000);
    let (sampled, unsampled) = (traceparent(4, 9, "01"), traceparent(5, 9, "00"));
    let calls = [&sampled, &unsampled, "", "00-x", &long].map(|trace| (Method::Get(get()), trace)).to_vec();
    exchange(&server, calls).await;

    let lines = || logged(&server.log(), "sessiond::access");
    eventually("the lines are written", async || lines().len() >= 13).await;
    let expected = [
        format!("CreateSession unary OK {:032x}", 1),
        format!("GetSession unary NOT_FOUND {:032x}", 2),
        "GetSession unary NOT_FOUND ".into(),
        "GetSession unary NOT_FOUND ".into(),
        "GetSession unary NOT_FOUND ".into(),
        "GetSession unary NOT_FOUND ".into(),
        "GetSession unary NOT_FOUND ".into(),
        format!("GetSession stream NOT_FOUND {:032x}", 4),
        format!("GetSession stream NOT_FOUND {:032x}", 5),
        "GetSession stream NOT_FOUND ".into(),
        "GetSession stream NOT_FOUND ".into(),
        "GetSession stream NOT_FOUND ".into(),
        "Exchange unary OK ".into(),
    ];
    assert_eq!(told(&lines(), &["method", "lane", "code", "trace_id"]), expected);
}
