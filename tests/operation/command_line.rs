//! Tests of the command line: values, foreign text, and refusals of the server.

use crate::common::{Run, Server, binary, run};
use sessiond_client::proto::CreateSessionRequest;

fn sessiond(server: &Server, arguments: &[&str]) -> Run {
    run(binary().args(arguments).args(["--addr", server.address()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_kept_exactly_or_refused() {
    let server = Server::start();
    let deep = format!("x={}{}", "[".repeat(1_000), "]".repeat(1_000));
    for value in
        ["x=12345678901234567890", "x=1e999", "x=1e-999", r#"x="\ud800""#, r#"{"x":1,"x":2}"#, "x=-0", deep.as_str()]
    {
        let refused = sessiond(&server, &["create", value]);
        assert_eq!(refused.code, Some(2), "{value}: {refused:?}");
        assert!(refused.stderr.starts_with("sessiond: '") && refused.stderr.lines().count() == 1, "{refused:?}");
    }
    let kept = r#"{"a":9223372036854775807,"b":-0.0,"c":1e+300,"d":"1e999","e":[[{"f":null}]],"g":{"$double":"NaN"}}"#;
    let created = sessiond(&server, &["create", "--quiet", kept]);
    let id = created.stdout.trim();
    let shown: serde_json::Value = serde_json::from_str(&sessiond(&server, &["get", id, "--json"]).stdout).unwrap();
    assert_eq!(shown["attributes"].to_string(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_others_steers_no_terminal() {
    let server = Server::start();
    let trick = "a\u{202e}b\u{200b}c\u{2028}\u{2066}\u{1b}[2J\u{e0041}";
    let request = CreateSessionRequest::new().label("device", trick).principal(trick).attribute("a", trick);
    let id = server.client().create(request).await.unwrap().session_id;
    for arguments in [
        &["list"][..],
        &["list", "--full"],
        &["list", "--json"],
        &["list", "--full", "--json"],
        &["get", &id],
        &["get", &id, "a"],
        &["get", &id, "--json"],
        &["count", "--principal", trick],
        &["get", &id, trick],
        &["set", &id, "--principal", trick, "a=1"],
    ] {
        let shown = sessiond(&server, arguments);
        for output in [&shown.stdout, &shown.stderr] {
            let found = output.chars().find(|c| trick.contains(*c) && !c.is_ascii_graphic());
            assert_eq!(found, None, "{arguments:?}: {output:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_as_wrong_is_wrong_usage() {
    let server = Server::start();
    let created = sessiond(&server, &["create", "--quiet"]);
    let id = created.stdout.trim();
    let long = "x".repeat(300);
    for arguments in [
        &["create", "--idle-timeout", "100000d"][..],
        &["create", "--namespace", "no name space"],
        &["create", "--principal", &long],
        &["list", "--principal", &long],
        &["lock", id, "--lease", "1h"],
        &["rotate", id, "--grace", "1h"],
        &["handoff", "issue", id, "--audience", "shop", "--lifetime", "1h"],
    ] {
        let refused = sessiond(&server, arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{arguments:?}: {refused:?}");
    }
    assert_eq!(sessiond(&server, &["get", "an-id-that-nobody-has"]).code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_of_the_log_is_that_of_sessiond() {
    let server = Server::start_with(&["--log", "trace"]);
    assert_eq!(sessiond(&server, &["create"]).code, Some(0));
    let log = server.log();
    let from = |library: &str| log.contains(&format!("\"target\":\"{library}"));
    assert!(from("sessiond::session"), "{log}");
    for library in ["h2", "hyper", "tonic", "tower", "sled", "tokio"] {
        assert!(!from(library), "{library}: {log}");
    }
    let server = Server::start_with(&["--log", "info,h2=debug"]);
    assert_eq!(sessiond(&server, &["create"]).code, Some(0));
    assert!(server.log().contains("\"target\":\"h2"), "{}", server.log());
}
