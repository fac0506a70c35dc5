//! Tests of what the server says about itself: health, the probe of the command line, and reflection.

use crate::common::{LONG, Server, binary, eventually, run};
use rustix::process::Signal;
use sessiond_client::Health;
use sessiond_client::proto::{CreateSessionRequest, Timeouts};
use std::net::TcpListener;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::{v1, v1alpha};

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_the_store_are_serving() {
    let server = Server::start();
    let mut health = HealthClient::new(server.channel());
    for service in ["", "sessiond.v1.SessionStore", "sessiond.writes", "sessiond.sweeper", "sessiond.certificate"] {
        let answer = health.check(about(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_not_found() {
    let server = Server::start();
    let mut health = HealthClient::new(server.channel());
    for service in ["sessiond.v1.Nothing", "sessiond.v1.SessionStor", " "] {
        assert_eq!(health.check(about(service)).await.unwrap_err().code(), Code::NotFound, "{service:?}");
    }
    // A watcher waits for the service to appear instead.
    let mut watched = health.watch(about("sessiond.v1.Nothing")).await.unwrap().into_inner();
    let answer = timeout(LONG, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), ServingStatus::ServiceUnknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_that_falls_behind_is_reported_and_so_is_its_catching_up() {
    // The sweeper takes one session at a time, so that a few thousand that end together keep it busy for longer than
    // the limit.
    let flags = ["--sweep-batch", "1", "--sweep-interval", "100ms", "--sweep-lag-limit", "1s"];
    let server = Server::start_with(&flags);
    let mut health = HealthClient::new(server.channel());
    let mut watched = health.watch(about("sessiond.sweeper")).await.unwrap().into_inner();
    let first = timeout(LONG, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let client = server.client();
    let mut made = JoinSet::new();
    for _ in 0..3_000 {
        let client = client.clone();
        let short = Timeouts::new().idle(Duration::from_secs(1));
        made.spawn(async move { client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap() });
    }
    made.join_all().await;

    let mut statuses = Vec::new();
    // Each of those sessions is a change of its own on disk, which takes a slow disk as long as all else that is waited for.
    while statuses.len() < 2 {
        statuses.push(timeout(3 * LONG, watched.message()).await.unwrap().unwrap().unwrap().status());
    }
    assert_eq!(statuses, [ServingStatus::NotServing, ServingStatus::Serving]);
    let whole = health.check(about("")).await.unwrap().into_inner();
    assert_eq!(whole.status(), ServingStatus::Serving, "visitors notice nothing");
    let log = server.log();
    assert!(log.contains("the sweeper has fallen behind") && log.contains("the sweeper has caught up"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_told_of_the_end_and_let_go() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let mut health = HealthClient::new(server.channel());
        let mut watched = health.watch(about("")).await.unwrap().into_inner();
        let first = timeout(LONG, watched.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);

        server.signal(signal);
        let next = timeout(LONG, watched.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(next.status(), ServingStatus::NotServing);
        assert!(timeout(LONG, watched.message()).await.unwrap().unwrap().is_none(), "the stream ends");
        assert_eq!(server.wait(LONG).code(), Some(0));
    }
}

#[test]
fn the_probe_exits_by_what_it_finds() {
    let mut server = Server::start();
    let address = server.address().to_owned();
    let probe = |service: &str| run(binary().args(["health", "--addr", &address, "--service", service]));

    let serving = probe("");
    assert_eq!((serving.code, serving.stdout.as_str(), serving.stderr.as_str()), (Some(0), "serving\n", ""));
    let unknown = probe("nothing");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), "unknown-service\n"));

    server.stop();
    let unreachable = probe("");
    assert_eq!((unreachable.code, unreachable.stdout.as_str()), (Some(1), "unreachable\n"));
    assert_eq!(unreachable.stderr.lines().count(), 1, "{}", unreachable.stderr);
    assert!(unreachable.stderr.contains(&address), "{}", unreachable.stderr);
}

#[test]
fn the_probe_waits_for_a_server_that_comes() {
    // The port was just free. A server starts on it after the probe.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut probe = binary();
    probe.args(["health", "--wait", "50s", "--addr", &address]);
    let probing = std::thread::spawn(move || run(&mut probe));
    let _server = Server::start_with(&["--listen", &address]);
    assert_eq!(probing.join().unwrap().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_knows_the_three_answers() {
    let server = Server::start();
    let client = server.client();
    assert_eq!(client.health("").await.unwrap(), Health::Serving);
    assert_eq!(client.health("nothing").await.unwrap(), Health::UnknownService);
}

async fn reflected_services(server: &Server) -> Result<Vec<String>, tonic::Status> {
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(server.channel());
    let mut answers = reflection.server_reflection_info(tokio_stream::once(list)).await?.into_inner();
    let answer = answers.message().await?.unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("not a list of services: {answer:?}");
    };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

/// Each holds an answer as large as the contract.
#[tokio::test(flavor = "multi_thread")]
async fn streams_of_reflection_are_few() {
    let server = Server::start();
    let mut reflection = ServerReflectionClient::new(server.channel());
    let mut open = Vec::new();
    let refused = loop {
        match reflection.server_reflection_info(tokio_stream::pending()).await {
            Ok(answers) => open.push(answers),
            Err(status) => break status,
        }
        assert!(open.len() < 100, "streams without end");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("32 streams of reflection"), "{}", refused.message());
    assert_eq!(open.len(), 32);
    // Calls go on, and a stream that is ended makes room.
    server.client().health("").await.unwrap();
    open.clear();
    eventually("there is room again", async || reflected_services(&server).await.is_ok()).await;
}

/// The files in which a tool looks for a symbol, in each version of reflection.
async fn files_of(server: &Server, symbol: &str) -> [Vec<Vec<u8>>; 2] {
    let v1 = v1::ServerReflectionRequest {
        message_request: Some(v1::server_reflection_request::MessageRequest::FileContainingSymbol(symbol.into())),
        ..Default::default()
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel());
    let mut answers = client.server_reflection_info(tokio_stream::once(v1)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::FileDescriptorResponse(newer)) = answer else {
        panic!("{symbol}: {answer:?}");
    };
    let old = v1alpha::ServerReflectionRequest {
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol.into())),
        ..Default::default()
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel());
    let mut answers = client.server_reflection_info(tokio_stream::once(old)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(older)) = answer else {
        panic!("{symbol}: {answer:?}");
    };
    [newer.file_descriptor_proto, older.file_descriptor_proto]
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_find_the_calls_and_the_details_of_errors_in_both_versions() {
    let server = Server::start();
    for symbol in [
        "sessiond.v1.SessionStore",
        "sessiond.v1.Admin",
        "sessiond.v1.OpaqueValue",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.protobuf.Timestamp",
        "grpc.health.v1.Health",
    ] {
        let [newer, older] = files_of(&server, symbol).await;
        assert!(!newer.is_empty() && newer == older, "{symbol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_the_store_unless_it_is_switched_off() {
    let services = reflected_services(&Server::start()).await.unwrap();
    for service in ["sessiond.v1.SessionStore", "grpc.health.v1.Health"] {
        assert!(services.iter().any(|name| name == service), "{services:?}");
    }
    let silent = Server::start_with(&["--reflection", "false"]);
    assert_eq!(reflected_services(&silent).await.unwrap_err().code(), Code::Unimplemented);
    silent.client().health("").await.unwrap();
}
