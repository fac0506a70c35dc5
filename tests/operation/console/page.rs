//! The page itself, as a browser and a careful reader of its code see it.

use super::{request, start};
use crate::common::metrics::{ask, get};
use std::fs;

/// The headers of every answer.
const HEADERS: [&str; 6] = [
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options: nosniff",
    "referrer-policy: no-referrer",
    "cache-control: no-store",
    "cross-origin-opener-policy: same-origin",
    "cross-origin-resource-policy: same-origin",
];

/// The files that make the page, with their text.
fn files() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/console/page");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    files.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_answer_tells_the_browser_what_to_refuse() {
    let server = start(&[]);
    let address = server.console_address();
    let mut answers: Vec<_> =
        ["/", "/console.css", "/main.js", "/icon.svg", "/nothing", "/api/Nothing", "/api/ListSessions"]
            .map(|path| (path, get(address, path).unwrap()))
            .into();
    answers.push(("a wrong host", ask(address, &request("GET /", &[("Host", "evil.example")], "")).unwrap()));
    answers.push(("a call", super::call(&server, "WhoAmI", "{}")));
    for (what, answer) in answers {
        for header in HEADERS {
            assert!(answer.headers.lines().any(|line| line == header), "{what}: no {header} in {}", answer.headers);
        }
        for unwanted in ["set-cookie", "access-control-", "server:", "location:"] {
            assert!(!answer.headers.contains(unwanted), "{what}: {}", answer.headers);
        }
    }
}

#[test]
fn every_file_of_the_page_is_served_as_what_it_is() {
    let server = start(&[]);
    for (name, text) in files() {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let answer = get(server.console_address(), &path).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, text.as_str()), "{name}");
        let kind = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert!(answer.headers.contains(&format!("content-type: {kind}")), "{name}: {}", answer.headers);
    }
    let head = ask(server.console_address(), &request("HEAD /", &[("Host", "localhost")], "")).unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let post = ask(server.console_address(), &request("POST /", &[("Host", "localhost")], "")).unwrap();
    assert!(post.status == 405 && post.headers.contains("allow: get, head"), "{post:?}");
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_makes_no_code_of_text() {
    for (name, text) in files() {
        // The names of SVG and of its elements are no addresses.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for unwanted in [
            "http:",
            "https:",
            "//cdn",
            "@import",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "srcdoc",
            "DOMParser",
            "eval(",
            "new Function",
            "localStorage",
            "sessionStorage",
            "indexedDB",
            ".cookie",
            "javascript:",
            " style=",
            "onclick=\"",
            "window.confirm",
            "alert(",
        ] {
            assert!(!text.contains(unwanted), "{name} has {unwanted}");
        }
        let has_inline_script = text.split("<script").skip(1).any(|script| !script.contains("></script>"));
        assert!(!has_inline_script && !text.contains("<style"), "{name}");
    }
}
