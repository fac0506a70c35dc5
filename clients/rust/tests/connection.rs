//! What a caller sees when there is no server, or one that does not answer.

use std::time::{Duration, Instant};

use sessiond_client::proto::{LockSessionRequest, WatchSessionsRequest};
use sessiond_client::{Client, Error, RetryPolicy};
use tokio::net::TcpListener;

const ID: &str = "a-secret-session-id";

/// An address at which nothing listens: the port was free a moment ago.
async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("the port").to_string()
}

#[tokio::test]
async fn a_missing_server_is_named_with_its_address() {
    let address = free_address().await;
    let client = Client::builder().address(&address).connect_lazy().expect("the address is good");
    let error = client.get(ID).await.expect_err("nothing listens");
    assert_eq!(error.to_string(), format!("no sessiond answers at {address}: connection refused"));
}

#[tokio::test]
async fn a_missing_socket_is_named_with_its_path() {
    let client = Client::builder().address("unix:/nowhere/sessiond.sock").connect_lazy().expect("the address is good");
    let error = client.touch(ID).await.expect_err("there is no such socket");
    let expected = "no sessiond answers at unix:/nowhere/sessiond.sock: no such file or directory";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_deadline() {
    // The system accepts the connection; nobody ever answers on it.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let deadline = Duration::from_millis(200);
    let client = Client::builder().address(&address).deadline(deadline).connect_lazy().expect("the address is good");
    let start = Instant::now();
    let error = client.delete(ID).await.expect_err("nobody answers");
    assert_eq!(error, Error::DeadlineExceeded { address, deadline });
    assert!(start.elapsed() >= deadline);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn waiting_for_a_lock_comes_on_top_of_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let (deadline, wait) = (Duration::from_millis(100), Duration::from_millis(200));
    let client = Client::builder().address(&address).deadline(deadline).connect_lazy().expect("the address is good");
    let start = Instant::now();
    let error = client.lock(LockSessionRequest::new(ID).wait(wait)).await.expect_err("nobody answers");
    let deadline = deadline + wait;
    assert_eq!(error, Error::DeadlineExceeded { address, deadline });
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
}

#[tokio::test]
async fn beginning_to_watch_has_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let deadline = Duration::from_millis(200);
    let client = Client::builder().address(&address).deadline(deadline).connect_lazy().expect("the address is good");
    let error = client.watch(WatchSessionsRequest::new()).await.expect_err("nobody answers");
    assert_eq!(error, Error::DeadlineExceeded { address, deadline });
}

#[tokio::test]
async fn a_lost_connection_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let hang_up = async {
        loop {
            drop(listener.accept().await);
        }
    };
    let client = Client::builder().address(&address).retry(RetryPolicy::never()).connect_lazy().expect("good");
    tokio::select! {
        () = hang_up => unreachable!("it loops"),
        result = client.get(ID) => {
            let error = result.expect_err("the connection was closed");
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn no_error_holds_the_session_id() {
    let client = Client::builder().address(free_address().await).connect_lazy().expect("the address is good");
    let error = client.rotate(ID).await.expect_err("nothing listens");
    assert!(!format!("{error} {error:?}").contains(ID));
}

#[tokio::test]
async fn the_client_recovers_when_the_server_comes_back() {
    let address = free_address().await;
    let client = Client::builder().address(&address).deadline(Duration::from_millis(300)).connect_lazy().expect("good");
    assert!(matches!(client.get(ID).await, Err(Error::Unavailable { .. })));
    let _listener = TcpListener::bind(&address).await.expect("the port is still free");
    // The new server accepts but says nothing: the client has connected, and waits.
    assert!(matches!(client.get(ID).await, Err(Error::DeadlineExceeded { .. })));
}

#[tokio::test]
async fn calls_can_be_spawned() {
    let client = Client::builder().address(free_address().await).connect_lazy().expect("the address is good");
    let calls = tokio::spawn(async move {
        let results = (client.get(ID).await.is_err(), client.health("").await.is_err());
        assert_eq!(results, (true, true));
        assert!(client.watch(WatchSessionsRequest::new()).await.is_err());
    });
    calls.await.expect("the task ends");
}
