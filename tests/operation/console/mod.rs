//! Tests of the web console: its page, who may do what in it, what keeps other pages away from it, and its bounds.

mod access;
mod bounds;
mod calls;
mod guard;
mod listening;
mod page;

use crate::common::Server;
use crate::common::metrics::{Answer, Socket, ask, connect};
use serde_json::Value;
use sessiond_client::proto::CreateSessionRequest;
use std::io::{BufRead, BufReader, Write};

/// A server with a console on a free port.
fn start(flags: &[&str]) -> Server {
    Server::start_with(&[&["--console-listen", "127.0.0.1:0"], flags].concat())
}

/// What every call of the page has.
const OWN: [(&str, &str); 3] = [("Host", "localhost"), ("Content-Type", "application/json"), ("sessiond-console", "1")];

/// A request of HTTP/1, after which the connection ends.
fn request(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    head + &headers.concat() + "\r\n" + body
}

/// Makes a call as the page does.
fn call(server: &Server, method: &str, body: &str) -> Answer {
    call_as(server, None, method, body)
}

/// The same with a token.
fn call_as(server: &Server, token: Option<&str>, method: &str, body: &str) -> Answer {
    ask(server.console_address(), &request_of(token, method, body)).unwrap()
}

fn request_of(token: Option<&str>, method: &str, body: &str) -> String {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let token = bearer.as_deref().map(|bearer| ("Authorization", bearer));
    request(&format!("POST /api/{method}"), &OWN.into_iter().chain(token).collect::<Vec<_>>(), body)
}

/// The JSON of an answer that must be a success.
#[track_caller]
fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.headers.contains("content-type: application/json"), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The status and the reason of an answer that must be an error.
#[track_caller]
fn refused(answer: &Answer) -> (u16, String) {
    let told: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    let text = |name: &str| told["error"][name].as_str().map_or_else(|| panic!("{told}"), str::to_owned);
    assert!(!text("message").is_empty() && !text("code").is_empty(), "{told}");
    (answer.status, text("reason"))
}

/// Makes a session of a user on a device; returns its ID and its handle.
async fn session_of(server: &Server, principal: &str, device: &str) -> (String, String) {
    let new = CreateSessionRequest::new().principal(principal).label("device", device);
    let made = server.client().create(new).await.unwrap();
    (made.session_id, made.session.handle)
}

/// A stream of events that is open.
struct Lines(BufReader<Box<dyn Socket>>);

impl Lines {
    /// Opens a stream, which must be let in.
    fn open(server: &Server, token: Option<&str>, body: &str) -> Self {
        let mut socket = connect(server.console_address()).unwrap();
        socket.write_all(request_of(token, "WatchSessions", body).as_bytes()).unwrap();
        let mut lines = Self(BufReader::new(socket));
        let status = lines.line();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        while !lines.line().is_empty() {}
        lines
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next object; chunks of HTTP/1 are around each.
    fn next(&mut self) -> Value {
        loop {
            let line = self.line();
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
            assert!(line.len() < 9 && line != "0", "the stream has ended: {line:?}");
        }
    }

    /// The next object that is no checkpoint.
    fn next_but_checkpoints(&mut self) -> Value {
        loop {
            let next = self.next();
            if next.get("checkpoint").is_none() {
                return next;
            }
        }
    }
}
