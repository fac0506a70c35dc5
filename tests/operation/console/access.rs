//! Rules of access hold in the console as they do for gRPC; its calls are recorded, counted and limited alike.

use super::{Lines, call_as, json, refused, request};
use crate::common::access::{AccessFiles, stub_with};
use crate::common::eventually;
use crate::common::metrics::{ask, scrape};
use rustix::process::{Signal, getuid};
use serde_json::Value;
use sessiond_client::proto::CreateSessionRequest;
use std::fs;

const RULES: &str = r#"
[caller.ops]
allow = [{ namespaces = ["*"], may = ["operator"] }]

[caller.support]
allow = [{ namespaces = ["shop"], may = ["principals"] }]

[caller.watcher]
allow = [{ namespaces = ["shop"], may = ["watch"] }]

[caller.monitor]
allow = [{ namespaces = ["*"], may = ["monitor"] }]

[caller.shop]
allow = [{ namespaces = ["shop"], may = ["application"] }]

[caller.slow]
max-calls-per-second = 2
allow = [{ namespaces = ["*"], may = ["operator"] }]
"#;

const CONSOLE: [&str; 2] = ["--console-listen", "127.0.0.1:0"];

#[test]
fn each_call_needs_its_permission() {
    let files = AccessFiles::new(RULES);
    let callers = ["ops", "support", "watcher", "monitor", "shop"];
    let tokens = callers.map(|caller| files.token(caller));
    let server = files.serve(&CONSOLE);
    let handle = "0199f2b8-6c1e-7d43-9f0a-3b1f6c2a5e77";
    let by_handle = format!("{{\"namespace\":\"shop\",\"handles\":[\"{handle}\"]}}");
    let of_ada = r#"{"namespace":"shop","principal":"ada"}"#;
    // Who may: ops, support, watcher, monitor, shop.
    let calls = [
        ("GetStatistics", "{}", [true, false, false, true, false]),
        ("ListSessions", r#"{"namespace":"shop"}"#, [true, false, false, false, false]),
        ("ListSessions", of_ada, [true, true, false, false, true]),
        ("ListSessions", &by_handle, [true, true, false, false, true]),
        ("ListSessions", r#"{"namespace":"cart","principal":"ada"}"#, [true, false, false, false, false]),
        ("RevokeSessions", of_ada, [true, true, false, false, true]),
        ("RevokeSessions", &by_handle, [true, true, false, false, true]),
        ("WhoAmI", "{}", [true; 5]),
    ];
    for (method, body, expected) in calls {
        for ((caller, token), may) in callers.iter().zip(&tokens).zip(expected) {
            let answer = call_as(&server, Some(token.reveal()), method, body);
            if may {
                json(&answer);
            } else {
                assert_eq!(refused(&answer), (403, "PERMISSION_DENIED".to_owned()), "{caller}: {method} {body}");
                assert!(answer.body.contains(&format!("the caller {caller} has no permission")), "{}", answer.body);
            }
        }
    }
    for (body, expected) in [
        (r#"{"namespace":"shop"}"#, [true, false, true, false, true]),
        (r#"{"all_namespaces":true}"#, [true, false, false, false, false]),
    ] {
        for ((caller, token), may) in callers.iter().zip(&tokens).zip(expected) {
            if may {
                assert!(Lines::open(&server, Some(token.reveal()), body).next().get("checkpoint").is_some());
            } else {
                let answer = call_as(&server, Some(token.reveal()), "WatchSessions", body);
                assert_eq!(refused(&answer).0, 403, "{caller}: {body}");
            }
        }
    }
    let me = json(&call_as(&server, Some(tokens[0].reveal()), "WhoAmI", "{}"));
    assert_eq!((&me["caller"], &me["token_needed"]), (&Value::from("ops"), &Value::from(true)));
}

#[test]
fn nobody_is_known_without_a_token() {
    // The same user as the server's, at a Unix socket: every proxy could be he.
    let rules = format!(
        "[caller.root]\nusers = [{}]\nallow = [{{ namespaces = [\"*\"], may = [\"operator\"] }}]\n",
        getuid().as_raw()
    );
    let files = AccessFiles::new(&rules);
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("console").display());
    for listen in ["127.0.0.1:0", &socket] {
        let server = files.serve(&["--console-listen", listen]);
        for method in ["WhoAmI", "GetStatistics", "ListSessions", "RevokeSessions", "WatchSessions"] {
            let answer = call_as(&server, None, method, r#"{"principal":"ada"}"#);
            assert_eq!(answer.status, 401, "{method}: {answer:?}");
            let answer = call_as(&server, Some("sdt_aaaaaaaa_wrong"), method, "{}");
            assert_eq!(answer.status, 401, "{method}: {answer:?}");
            assert!(!answer.body.contains("sdt_"), "{answer:?}");
        }
        // The page itself is no secret: it is where the token is entered.
        let page = request("GET /", &[("Host", "localhost")], "");
        assert_eq!(ask(server.console_address(), &page).unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_calls_are_in_the_audit_log_and_no_token_is_anywhere() {
    let files = AccessFiles::new(RULES);
    let [ops, shop] = ["ops", "shop"].map(|caller| files.token(caller));
    let audit = files.name("audit");
    let server = files
        .serve(&[&CONSOLE[..], &["--metrics-listen", "127.0.0.1:0", "--audit-log", &audit, "--access-log"]].concat());
    let new =
        CreateSessionRequest { namespace: "shop".into(), principal: "ada".into(), ..CreateSessionRequest::default() };
    stub_with(server.channel(), &shop).create_session(new).await.unwrap();
    let token = Some(ops.reveal());
    json(&call_as(&server, token, "ListSessions", r#"{"namespace":"shop"}"#));
    assert!(Lines::open(&server, token, r#"{"namespace":"shop"}"#).next().get("checkpoint").is_some());
    json(&call_as(&server, token, "RevokeSessions", r#"{"namespace":"shop","principal":"ada"}"#));
    refused(&call_as(&server, token, "RevokeSessions", r#"{"namespace":"No","principal":"ada"}"#));
    let lines = || -> Vec<Value> {
        fs::read_to_string(&audit).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    eventually("the calls are told of", async || lines().len() >= 5).await;
    let mut told: Vec<String> = lines()
        .iter()
        .map(|line: &Value| {
            let names = ["event", "method", "lane", "caller", "namespace", "principal", "sessions", "code"];
            names.map(|name| line[name].to_string().trim_matches('"').replace("null", "-")).join(" ")
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "begin WatchSessions console ops shop - - -",
            "call ListSessions console ops shop - 1 OK",
            "call RevokeSessions console ops - ada - INVALID_ARGUMENT",
            "call RevokeSessions console ops shop ada 1 OK",
            "end WatchSessions console ops shop - - CANCELLED",
        ]
    );
    assert!(server.log().contains("\"lane\":\"console\""), "{}", server.log());
    for text in [server.log(), fs::read_to_string(&audit).unwrap()] {
        assert!(!text.contains(ops.reveal()) && !text.contains(shop.reveal()), "{text}");
    }
    let metrics = scrape(server.metrics_address());
    let counted = |method: &str, code: &str| {
        metrics.value(&format!("sessiond_requests_total{{method=\"{method}\",code=\"{code}\",lane=\"console\"}}"))
    };
    assert!((counted("ListSessions", "OK") - 1.0).abs() < f64::EPSILON);
    assert!((counted("RevokeSessions", "INVALID_ARGUMENT") - 1.0).abs() < f64::EPSILON);
    assert!(metrics.has("sessiond_console_connections"), "{}", metrics.text);
}

#[test]
fn the_rate_of_a_caller_is_limited() {
    let files = AccessFiles::new(RULES);
    let token = files.token("slow");
    let server = files.serve(&CONSOLE);
    let answers: Vec<_> = (0..50).map(|_| call_as(&server, Some(token.reveal()), "ListSessions", "{}")).collect();
    let refusals: Vec<_> = answers.iter().filter(|answer| answer.status != 200).map(refused).collect();
    assert!(!refusals.is_empty() && refusals.len() < answers.len());
    assert!(refusals.iter().all(|refusal| *refusal == (429, "TOO_MANY_REQUESTS".to_owned())), "{refusals:?}");
}

#[test]
fn a_stream_ends_with_the_right_to_it() {
    let files = AccessFiles::new(RULES);
    let token = files.token("ops");
    let server = files.serve(&CONSOLE);
    let mut lines = Lines::open(&server, Some(token.reveal()), r#"{"all_namespaces":true}"#);
    assert!(lines.next().get("checkpoint").is_some());
    files.tokens().revoke(token.id()).unwrap();
    server.signal(Signal::HUP);
    assert_eq!(lines.next_but_checkpoints()["error"]["code"], "UNAUTHENTICATED");
    assert_eq!(call_as(&server, Some(token.reveal()), "WhoAmI", "{}").status, 401);
}
