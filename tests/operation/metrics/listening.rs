//! Where the port is, and what it answers to requests that are no scrapes.

use super::start;
use crate::common::metrics::{ask, get, scrape};
use crate::common::{Server, binary, run};
use sessiond_client::proto::CreateSessionRequest;
use sessiond_client::proto::session_store_client::SessionStoreClient;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[test]
fn there_is_no_such_port_unless_it_is_asked_for() {
    let server = Server::start();
    assert!(!server.banner().contains("metrics"), "{}", server.banner());
    // Nobody answers scrapes on the port for calls.
    assert_eq!(get(server.address(), "/metrics").unwrap().status, 400);
}

#[test]
fn wrong_addresses_are_refused_in_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let cases = [
        ("9464", "\"9464\" is not an address; write HOST:PORT"),
        ("unix:", "names no path"),
        ("0.0.0.0:0", "0.0.0.0:0 is not a loopback address and there is no TLS"),
        (&taken, "another process listens there; stop it, or choose another address"),
    ];
    for (address, problem) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary();
        command.current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", address]);
        let refused = run(&mut command);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        assert!(refused.stderr.starts_with("sessiond: --metrics-listen: "), "{refused:?}");
        assert!(refused.stderr.contains(problem), "{refused:?}");
    }
}

#[test]
fn it_can_be_a_unix_socket_and_beyond_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("metrics");
    let address = format!("unix:{}", socket.display());
    let mut server = Server::start_with(&["--metrics-listen", &address]);
    assert_eq!(server.metrics_address(), address);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(get(&address, "/readyz").unwrap().status, 200);
    server.stop();
    assert!(!socket.exists(), "the socket is left behind");
    let open = Server::start_with(&["--metrics-listen", "0.0.0.0:0", "--allow-plaintext"]);
    assert!(open.metrics_address().starts_with("0.0.0.0:"), "{}", open.banner());
}

#[test]
fn other_requests_are_told_what_there_is() {
    let server = start(&[]);
    let address = server.metrics_address();
    for path in ["/", "/metrics/", "/metric", "/sessiond.v1.SessionStore/GetSession"] {
        assert_eq!(get(address, path).unwrap().status, 404, "{path}");
    }
    let post = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let refused = ask(address, post).unwrap();
    assert!(refused.status == 405 && refused.headers.contains("allow: get, head"), "{refused:?}");
    let head = ask(address, "HEAD /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // A query changes nothing: some scrapers add one.
    assert_eq!(get(address, "/metrics?name=up").unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_of_grpc_is_answered_in_plain() {
    let server = start(&[]);
    let address = format!("http://{}", server.metrics_address());
    let mut health = HealthClient::new(Endpoint::from_shared(address).unwrap().connect_lazy());
    let about = |service: &str| HealthCheckRequest { service: service.into() };
    for service in ["", "sessiond.v1.SessionStore", "sessiond.writes", "sessiond.sweeper"] {
        assert_eq!(health.check(about(service)).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    assert_eq!(health.check(about("nothing")).await.unwrap_err().code(), Code::NotFound);
    // Nothing else is served there.
    let calls = Endpoint::from_shared(format!("http://{}", server.metrics_address())).unwrap().connect_lazy();
    let mut calls = SessionStoreClient::new(calls);
    calls.create_session(CreateSessionRequest::new()).await.unwrap_err();
    scrape(server.metrics_address());
}
