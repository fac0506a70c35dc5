//! The quick start of README.md does what it says.

#[path = "../examples/visits.rs"]
#[expect(dead_code, reason = "its main would wait for visitors")]
mod quick_start;

use sessiond_testing::{Server, Visitor, assert_quoted};

#[test]
fn the_quick_start_is_the_example() {
    assert_quoted(include_str!("../README.md"), include_str!("../examples/visits.rs"));
}

#[tokio::test]
async fn the_quick_start_counts_visits() {
    let server = Server::start();
    let mut visitor = Visitor::new(&quick_start::app(server.client()));
    for visit in 1..=3 {
        assert_eq!(visitor.ask("GET", "/").await.1, format!("visit {visit}"));
    }
}
