//! Runs the behaviour cases of `clients/conformance/cases` with the Rust client. `clients/conformance/README.md` says
//! what a runner does.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod matching;
mod run;
mod template;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::Server;
use run::Run;
use serde_json::{Value, json};
use sessiond_client::Lane;
use tokio::task::JoinSet;

/// The cases that Rust can't meet, and why.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// The cases that ask for attributes without an ID, which sealed sessions don't show.
const SHOWN_WITHOUT_ID: [(&str, &str); 3] = [
    (
        "events of ended sessions have the last attributes, where the namespace keeps them and who watches asks",
        "an event has no ID to open them with",
    ),
    ("lists by principal and namespace, newest first, by pages", "a list with attributes"),
    ("lists by handles, those that are there", "a list with attributes"),
];

/// As long as a lock may delay a call.
const PATIENCE: Duration = Duration::from_secs(20);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/conformance")
}

fn cases() -> Vec<Value> {
    let files = fs::read_dir(folder().join("cases")).unwrap().map(|file| file.unwrap().path());
    files.flat_map(|file| serde_json::from_slice::<Vec<Value>>(&fs::read(file).unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_over_the_fast_lane() {
    every_case(Lane::Auto, &[], &EXCEPTIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_one_by_one() {
    every_case(Lane::Unary, &[], &EXCEPTIONS).await;
}

/// Who has the ID notices nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_case_with_sealed_sessions() {
    every_case(Lane::Auto, &["--sealed"], &SHOWN_WITHOUT_ID).await;
}

async fn every_case(lane: Lane, flags: &[&str], exceptions: &[(&str, &str)]) {
    let config = folder().join("server.toml");
    let server = Server::start_with(&[&["--config", config.to_str().unwrap()], flags].concat());
    let cases = cases();
    assert!(cases.len() > 50 && EXCEPTIONS.len() * 20 < cases.len());
    for (excepted, _) in exceptions {
        assert!(cases.iter().any(|case| case["name"] == *excepted), "{excepted} is no case");
    }
    let mut running = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let name = case["name"].as_str().unwrap().to_owned();
        if exceptions.iter().any(|(excepted, _)| *excepted == name) {
            continue;
        }
        let client = server.client_builder().deadline(PATIENCE).lane(lane).connect_lazy().unwrap();
        running.spawn(async move {
            let mut run = Run::new(client, format!("case-{number}"));
            run.all(&case["steps"]).await.map_err(|problem| format!("{name}: {problem}"))
        });
    }
    let problems: Vec<_> = running.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// A runner that finds no fault would let every client pass.
#[tokio::test]
async fn the_runner_finds_faults() {
    let server = Server::start();
    let mut run = Run::new(server.client(), "faults".to_owned());
    run.set("then", "2026-01-01T00:00:00Z");
    for (wanted, found) in [
        (json!({"a": 1}), json!({})),
        (json!({"a": 1}), json!({"a": 2})),
        (json!({"a": "1"}), json!({"a": 1})),
        (json!({"a": {"$present": true}}), json!({})),
        (json!({"a": {"$absent": true}}), json!({"a": false})),
        (json!({"a": 1, "$only": true}), json!({"a": 1, "b": 2})),
        (json!([1]), json!([1, 2])),
        (json!([{"a": 1}]), json!([{"a": 2}])),
        (json!({"$not": 1}), json!(1)),
        (json!({"$contains": 1}), json!([2])),
        (json!({"$near": "${then}", "within": "1s"}), json!("2026-01-01T00:00:02Z")),
        (json!({"$after": "${then}"}), json!("2026-01-01T00:00:00.000Z")),
        (json!("${then+1s}"), json!("2026-01-01T00:00:00Z")),
        (json!("${unknown}"), json!("${unknown}")),
    ] {
        assert!(run.matches(&wanted, Some(&found), "answer").is_err(), "{wanted} matches {found}");
    }
    for step in [
        json!({"call": "GetSession", "request": {"sessionId": "no-such-session-0"}}),
        json!({"call": "CreateSession", "error": "SESSION_NOT_FOUND"}),
        json!({"call": "GetSession", "request": {"sessionId": "short"}, "error": "SESSION_NOT_FOUND"}),
        json!({"call": "GetSession", "request": {"sessionId": "short"},
               "error": {"reason": "INVALID_ARGUMENT", "fields": ["namespace"]}}),
        json!({"call": "CreateSession", "save": {"a": "session.nothing"}}),
        json!({"unknown": "step"}),
    ] {
        assert!(run.step(&step).await.is_err(), "{step} passes");
    }
}
