//! The quick start of README.md does what it says.

#[path = "../examples/quick_start.rs"]
#[expect(dead_code, reason = "its main would wait for visitors")]
mod quick_start;

use sessiond_testing::{Server, Visitor, assert_quoted};

#[test]
fn the_quick_start_is_the_example() {
    assert_quoted(include_str!("../README.md"), include_str!("../examples/quick_start.rs"));
}

#[tokio::test]
async fn the_quick_start_counts_visits_across_a_log_in() {
    let server = Server::start();
    let mut visitor = Visitor::new(&quick_start::app(server.client()).unwrap());
    for (method, uri, expected) in
        [("GET", "/", "visit 1"), ("GET", "/", "visit 2"), ("POST", "/log-in", "welcome"), ("GET", "/", "visit 3")]
    {
        assert_eq!(visitor.ask(method, uri).await.1, expected);
    }
}
