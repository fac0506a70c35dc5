//! What probes are told in each phase of the server.

use super::start;
use crate::common::faketime::FakeTime;
use crate::common::metrics::{get, scrape};
use crate::common::{LONG, Server, eventually};
use crate::time::{DAY, restart_machine};
use rustix::process::Signal;
use sessiond_client::proto::{CreateSessionRequest, LockSessionRequest};
use std::time::Duration;

/// Asserts what both probes are told.
#[track_caller]
fn assert_told(address: &str, live: u16, ready: (u16, &str)) {
    assert_eq!(get(address, "/livez").unwrap().status, live);
    let told = get(address, "/readyz").unwrap();
    assert_eq!((told.status, told.body.as_str()), ready);
}

#[test]
fn a_server_that_serves_is_ready() {
    let server = start(&[]);
    assert_told(server.metrics_address(), 200, (200, "ready\n"));
    assert!((scrape(server.metrics_address()).value("sessiond_phase{phase=\"serving\"}") - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_opens_its_data_is_alive_and_not_ready() {
    let clock = FakeTime::off_by(0);
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("metrics").display());
    let flags = ["--clock-jump-limit", "1h", "--metrics-listen", &socket];
    let mut server = Server::start_under(tempfile::tempdir().unwrap(), clock.environment(), &flags);
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.kill();
    restart_machine(&server);
    // Until its clock is right, the server does not get ready.
    clock.set_off_by(DAY);
    let restart = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    eventually("the port answers", async || get(&socket, "/livez").is_ok()).await;
    assert_told(&socket, 200, (503, "starting: the data is being opened\n"));
    let scraped = scrape(&socket);
    assert!(scraped.has("sessiond_phase{phase=\"starting\"}") && !scraped.has("sessiond_sessions_created_total"));
    clock.set_off_by(0);
    let _server = restart.await.unwrap();
    assert_told(&socket, 200, (200, "ready\n"));
    eventually("sessions are told of", async || scrape(&socket).has("sessiond_sessions_created_total")).await;
}

#[test]
fn a_server_that_is_short_of_space_is_ready_and_says_what_is_wrong() {
    let server = start(&["--min-free-space", "1000TiB"]);
    let told = (200, "ready, read-only: disk space is low, and writes are refused\n");
    assert_told(server.metrics_address(), 200, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_is_alive_and_not_ready_until_its_end() {
    let mut server = start(&["--drain-timeout", "5m"]);
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let lease = Duration::from_secs(10);
    let _lock = client.lock(LockSessionRequest::new(&id).lease(lease)).await.unwrap();
    // It waits until the lease is over, and so does the server's end.
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.lock(LockSessionRequest::new(id).lease(lease).wait(Duration::from_secs(30))).await }
    });
    let address = server.metrics_address().to_owned();
    eventually("the request waits", async || scrape(&address).value("sessiond_requests_in_flight") > 0.0).await;
    server.signal(Signal::TERM);
    eventually("the server drains", async || get(&address, "/readyz").unwrap().status == 503).await;
    assert_told(&address, 200, (503, "draining: the server is about to end\n"));
    assert!(!waits.is_finished());
    let drains = || scrape(&address).value("sessiond_phase{phase=\"draining\"}");
    eventually("the drain is told of", async || drains() > 0.5).await;
    waits.await.unwrap().unwrap();
    assert_eq!(server.wait(LONG).code(), Some(0), "{}", server.log());
    assert!(get(&address, "/livez").is_err());
    assert!(server.log().contains("everything is on disk"), "{}", server.log());
}
