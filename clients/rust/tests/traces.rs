//! Traces: the server sees the one that the caller's function tells, over both lanes.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sessiond_client::proto::{GetSessionRequest, TraceContext};
use sessiond_client::{Client, ClientBuilder, Error, Lane};
use sessiond_testing::Server;
use tokio::time::sleep;

const LANES: [(Lane, &str); 2] = [(Lane::Auto, "stream"), (Lane::Unary, "unary")];

fn context(traceparent: &str, tracestate: &str) -> TraceContext {
    TraceContext { traceparent: traceparent.to_owned(), tracestate: tracestate.to_owned() }
}

/// The lane and the trace in the access line of a call, which this client makes in a namespace of its own.
async fn seen(server: &Server, namespace: &str, client: &Client) -> (String, Value) {
    let get = GetSessionRequest { session_id: "no-such-session-0000".to_owned(), ..GetSessionRequest::default() };
    assert!(matches!(client.rpc(get).await.unwrap_err(), Error::SessionNotFound));
    for _ in 0..4_000 {
        let log = server.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut lines = lines.filter(|line| line["target"] == "sessiond::access" && line["namespace"] == namespace);
        if let Some(line) = lines.next() {
            return (line["lane"].as_str().unwrap().to_owned(), line["trace_id"].clone());
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("no line of {namespace}: {}", server.log());
}

fn builder(server: &Server, lane: Lane, namespace: &str) -> ClientBuilder {
    server.client_builder().lane(lane).namespace(namespace)
}

#[tokio::test]
async fn the_server_sees_the_trace_of_the_caller() {
    let cases = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/traces.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let server = Server::start_at("127.0.0.1:0", &["--access-log", "--log-format", "json"]);
    for (lane, name) in LANES {
        for (number, case) in cases.iter().enumerate() {
            let namespace = format!("traces-{name}-{number}");
            let told = context(case["traceparent"].as_str().unwrap(), case["tracestate"].as_str().unwrap());
            let client = builder(&server, lane, &namespace).trace_context(move || Some(told.clone()));
            let client = client.connect_lazy().unwrap();
            let expected = (name.to_owned(), case["trace_id"].clone());
            assert_eq!(seen(&server, &namespace, &client).await, expected, "{}", case["name"]);
        }
        let namespace = format!("traces-{name}-none");
        let client = builder(&server, lane, &namespace).trace_context(|| None).connect_lazy().unwrap();
        assert_eq!(seen(&server, &namespace, &client).await, (name.to_owned(), Value::Null));

        let namespace = format!("traces-{name}-one");
        let client = builder(&server, lane, &namespace).connect_lazy().unwrap();
        let (parent, trace_id) = (&cases[0]["traceparent"], &cases[0]["trace_id"]);
        let client = client.with_trace(context(parent.as_str().unwrap(), ""));
        assert_eq!(seen(&server, &namespace, &client).await, (name.to_owned(), trace_id.clone()));
    }
}
