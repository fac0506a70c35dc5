//! The quick start of README.md does what it says.

#[path = "../examples/log_in.rs"]
#[expect(dead_code, reason = "its main would look for a server elsewhere")]
mod quick_start;

use sessiond_testing::{Server, assert_quoted};

#[test]
fn the_quick_start_is_the_example() {
    assert_quoted(include_str!("../README.md"), include_str!("../examples/log_in.rs"));
}

#[tokio::test]
async fn the_quick_start_logs_a_visitor_in() {
    let server = Server::start();
    let session = quick_start::visit(&server.client()).await.unwrap();
    assert_eq!((session.principal.as_str(), session.attributes.len()), ("user-42", 2));
}
