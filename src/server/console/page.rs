//! The files of the page, which are part of the binary.

use super::refusal::Refusal;
use bytes::Bytes;
use http_body_util::Full;
use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, CONTENT_TYPE};
use tonic::codegen::http::{HeaderValue, Method, Request, Response};

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

macro_rules! file {
    ($path:literal, $content_type:literal, $name:literal) => {
        File { path: $path, content_type: $content_type, content: include_bytes!(concat!("page/", $name)) }
    };
}

const FILES: [File; 13] = [
    file!("/", "text/html; charset=utf-8", "index.html"),
    file!("/console.css", "text/css; charset=utf-8", "console.css"),
    file!("/icon.svg", "image/svg+xml", "icon.svg"),
    file!("/main.js", "text/javascript; charset=utf-8", "main.js"),
    file!("/server.js", "text/javascript; charset=utf-8", "server.js"),
    file!("/dom.js", "text/javascript; charset=utf-8", "dom.js"),
    file!("/words.js", "text/javascript; charset=utf-8", "words.js"),
    file!("/sessions.js", "text/javascript; charset=utf-8", "sessions.js"),
    file!("/session.js", "text/javascript; charset=utf-8", "session.js"),
    file!("/ending.js", "text/javascript; charset=utf-8", "ending.js"),
    file!("/events.js", "text/javascript; charset=utf-8", "events.js"),
    file!("/overview.js", "text/javascript; charset=utf-8", "overview.js"),
    file!("/chart.js", "text/javascript; charset=utf-8", "chart.js"),
];

/// Answers with a file.
pub(super) fn answer<B>(request: &Request<B>) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path();
    let file = FILES.iter().find(|file| file.path == path);
    let file = file.ok_or_else(|| Refusal::not_there("there is no such page; the console is at /"))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Refusal::wrong_method("pages are read with GET and HEAD").with(ALLOW, "GET, HEAD"));
    }
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(file.content))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    Ok(response)
}
