//! The quick start of README.md does what it says.

#[path = "../examples/quick_start.rs"]
#[expect(dead_code, reason = "its main would wait for visitors")]
mod quick_start;

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt as _;
use sessiond_testing::Server;
use tower::ServiceExt as _;

#[test]
fn the_quick_start_is_the_example() {
    let (_, example) = include_str!("../examples/quick_start.rs").split_once("\n\n").unwrap();
    assert!(include_str!("../README.md").contains(example));
}

#[tokio::test]
async fn the_quick_start_counts_visits() {
    let server = Server::start();
    let app = quick_start::app(server.client());
    let mut cookie = String::new();
    for visit in 1..=3 {
        let request = Request::builder().uri("/").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        if let Some(set) = response.headers().get(header::SET_COOKIE) {
            cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("visit {visit}"));
    }
}
