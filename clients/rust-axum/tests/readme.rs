//! The quick start of README.md does what it says.

#[path = "../examples/quick_start.rs"]
#[expect(dead_code, reason = "its main would wait for visitors")]
mod quick_start;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use sessiond_testing::Server;
use tower::ServiceExt as _;

#[test]
fn the_quick_start_is_the_example() {
    let (_, example) = include_str!("../examples/quick_start.rs").split_once("\n\n").unwrap();
    assert!(include_str!("../README.md").contains(example));
}

#[tokio::test]
async fn the_quick_start_counts_visits_across_a_log_in() {
    let server = Server::start();
    let app = quick_start::app(server.client()).unwrap();
    let mut cookie = String::new();
    for (method, path, expected) in
        [("GET", "/", "visit 1"), ("GET", "/", "visit 2"), ("POST", "/log-in", "welcome"), ("GET", "/", "visit 3")]
    {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, &cookie);
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if let Some(set) = response.headers().get(header::SET_COOKIE) {
            set.to_str().unwrap().split(';').next().unwrap().clone_into(&mut cookie);
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, expected);
    }
}
