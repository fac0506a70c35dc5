//! What keeps other pages of a browser, and names that point here, away from the console.

use super::{OWN, json, refused, request, session_of, start};
use crate::common::Server;
use crate::common::metrics::{Answer, ask};
use sessiond_client::proto::ListSessionsRequest;

fn page_of(server: &Server, headers: &[(&str, &str)]) -> Answer {
    ask(server.console_address(), &request("GET /", headers, "")).unwrap()
}

/// Makes a call with these headers in place of those of the same names.
fn call_with(server: &Server, headers: &[(&str, &str)], method: &str, body: &str) -> Answer {
    let others = OWN.into_iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    let headers: Vec<_> = others.chain(headers.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
    ask(server.console_address(), &request(&format!("POST /api/{method}"), &headers, body)).unwrap()
}

#[test]
fn the_console_answers_to_its_own_names_only() {
    let server = start(&["--console-hosts", "console.example.com,Other.example.com"]);
    let port = server.console_address().rsplit_once(':').unwrap().1;
    let own = [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "console.example.com".to_owned(),
        "other.example.com:443".to_owned(),
    ];
    for host in &own {
        assert_eq!(page_of(&server, &[("Host", host)]).status, 200, "{host}");
        assert_eq!(call_with(&server, &[("Host", host)], "WhoAmI", "{}").status, 200, "{host}");
    }
    let unknown = (421, "UNKNOWN_HOST".to_owned());
    for host in ["evil.example", "console.example.com.evil.example", "192.0.2.1", "localhost.evil.example", "a b"] {
        assert_eq!(refused(&page_of(&server, &[("Host", host)])), unknown, "{host}");
        assert_eq!(refused(&call_with(&server, &[("Host", host)], "WhoAmI", "{}")), unknown, "{host}");
    }
    assert_eq!(refused(&page_of(&server, &[])), unknown);
    assert_eq!(refused(&page_of(&server, &[("Host", "localhost"), ("Host", "evil.example")])), unknown);
    let absolute = request("GET http://localhost/", &[("Host", "localhost")], "");
    assert_eq!(refused(&ask(server.console_address(), &absolute).unwrap()), unknown);
}

#[test]
fn the_address_that_it_listens_on_is_a_name_of_it() {
    // The name is taken from the setting, whatever it resolves to.
    let server = Server::start_with(&["--console-listen", "0.0.0.0:0", "--allow-plaintext", "--allow-anonymous"]);
    let port = server.console_address().rsplit_once(':').unwrap().1;
    let address = format!("127.0.0.2:{port}");
    let ask = |host: &str| ask(&address, &request("GET /", &[("Host", host)], "")).unwrap().status;
    assert_eq!((ask("127.0.0.2"), ask("0.0.0.0"), ask("192.0.2.1")), (200, 200, 421));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_the_page_did_not_make_end_nothing() {
    let server = start(&[]);
    let (_, handle) = session_of(&server, "ada", "laptop").await;
    let body = format!("{{\"handles\":[\"{handle}\"]}}");
    let forged = (403, "FORGED_REQUEST".to_owned());
    for headers in [
        &[("sessiond-console", "")][..],
        &[("sessiond-console", "0")],
        &[("sessiond-console", "1"), ("sessiond-console", "1")],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://localhost:1")],
        &[("Origin", "http://localhost.evil.example")],
        &[("Origin", "http://localhost"), ("Origin", "http://evil.example")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
    ] {
        assert_eq!(refused(&call_with(&server, headers, "RevokeSessions", &body)), forged, "{headers:?}");
    }
    let wrong_type = (415, "UNSUPPORTED_CONTENT_TYPE".to_owned());
    for content_type in
        ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
    {
        let answer = call_with(&server, &[("Content-Type", content_type)], "RevokeSessions", &body);
        assert_eq!(refused(&answer), wrong_type, "{content_type}");
    }
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let line = format!("{method} /api/RevokeSessions");
        let answer = ask(server.console_address(), &request(&line, &OWN, &body)).unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.headers.contains("allow: post"), "{method}: {}", answer.headers);
    }
    let listed = server.client().list(ListSessionsRequest::new()).await.unwrap();
    assert_eq!(listed.sessions.len(), 1, "a forged call has ended it");

    let own = [("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin")];
    let own = [&own[..], &[("Content-Type", "application/json; charset=utf-8")]].concat();
    assert_eq!(json(&call_with(&server, &own, "RevokeSessions", &body))["revoked"], 1);
}

#[test]
fn another_site_that_asks_first_is_not_told_that_it_may() {
    let server = start(&[]);
    let headers = [
        ("Host", "localhost"),
        ("Origin", "http://evil.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type,sessiond-console"),
    ];
    let answer = ask(server.console_address(), &request("OPTIONS /api/RevokeSessions", &headers, "")).unwrap();
    assert_eq!(refused(&answer), (403, "FORGED_REQUEST".to_owned()));
    assert!(!answer.headers.contains("access-control-"), "{}", answer.headers);
}
