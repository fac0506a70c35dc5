//! What is counted: every metric is there, moves when it should, and tells no secret.

use super::start;
use crate::common::faketime::FakeTime;
use crate::common::metrics::{Scrape, scrape};
use crate::common::{LONG, Server, eventually, raw};
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, Call, CountSessionsRequest, CreateSessionRequest,
    DeleteSessionRequest, ExchangeRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueHandoffRequest,
    ListSessionsRequest, LockSessionRequest, RedeemHandoffRequest, RevokeSessionsRequest, RotateSessionRequest,
    SessionChange, Timeouts, TouchSessionRequest, UnlockSessionRequest, UpdateSessionRequest, VerifyCsrfTokenRequest,
    WatchSessionsRequest,
};
use std::fs;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

/// Those that are there only if an address speaks TLS.
pub(crate) const OF_TLS: [&str; 3] =
    ["sessiond_tls_certificate_end_seconds", "sessiond_tls_certificate_stale", "sessiond_tls_failed_handshakes_total"];

/// Those that are there only with rules of access. The last of them only once a call was denied.
const OF_ACCESS: [&str; 4] = [
    "sessiond_access_stale",
    "sessiond_unauthenticated_calls_total",
    "sessiond_caller_failed_lookups_total",
    "sessiond_denied_calls_total",
];

/// The one that is there only if the audit log has a file.
const OF_AUDIT: [&str; 1] = ["sessiond_audit_failures_total"];

/// Those that are there only if spans are sent.
const OF_SPANS: [&str; 2] = ["sessiond_spans_exported_total", "sessiond_spans_dropped_total"];

/// The one that is there only if there is a console.
const OF_CONSOLE: [&str; 1] = ["sessiond_console_connections"];

/// Those that are there only if something is or was encrypted.
const OF_ENCRYPTION: [&str; 2] = ["sessiond_encryption_older_keys", "sessiond_encryption_sessions_checked"];

/// Every other metric, and its type.
const METRICS: [(&str, &str); 43] = [
    ("sessiond_build_info", "gauge"),
    ("sessiond_phase", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("sessiond_requests_total", "counter"),
    ("sessiond_request_duration_seconds", "histogram"),
    ("sessiond_streams_total", "counter"),
    ("sessiond_errors_total", "counter"),
    ("sessiond_requests_in_flight", "gauge"),
    ("sessiond_requests_in_flight_limit", "gauge"),
    ("sessiond_message_memory_bytes", "gauge"),
    ("sessiond_message_memory_limit_bytes", "gauge"),
    ("sessiond_connections", "gauge"),
    ("sessiond_connections_limit", "gauge"),
    ("sessiond_connections_per_address_limit", "gauge"),
    ("sessiond_connections_refused_total", "counter"),
    ("sessiond_connections_cut_off_total", "counter"),
    ("sessiond_sessions", "gauge"),
    ("sessiond_namespaces", "gauge"),
    ("sessiond_sessions_created_total", "counter"),
    ("sessiond_sessions_expired_total", "counter"),
    ("sessiond_sessions_deleted_total", "counter"),
    ("sessiond_sessions_revoked_total", "counter"),
    ("sessiond_failed_lookups_total", "counter"),
    ("sessiond_delayed_lookups_total", "counter"),
    ("sessiond_sweeper_lag_seconds", "gauge"),
    ("sessiond_events", "gauge"),
    ("sessiond_events_bytes", "gauge"),
    ("sessiond_watchers", "gauge"),
    ("sessiond_slowest_watcher_lag_events", "gauge"),
    ("sessiond_clock_steps_total", "counter"),
    ("sessiond_clock_ahead_seconds", "gauge"),
    ("sessiond_commit_group_transactions", "histogram"),
    ("sessiond_redo_sync_duration_seconds", "histogram"),
    ("sessiond_redo_unwritten_bytes", "gauge"),
    ("sessiond_redo_bytes", "gauge"),
    ("sessiond_checkpoint_backlog_bytes", "gauge"),
    ("sessiond_record_cache_hits_total", "counter"),
    ("sessiond_record_cache_misses_total", "counter"),
    ("sessiond_data_bytes", "gauge"),
    ("sessiond_disk_free_bytes", "gauge"),
    ("sessiond_storage_stalls_total", "counter"),
];

/// By how much each of these grows at least during [`live`].
const GROWTH: &[(&str, f64)] = &[
    ("process_cpu_seconds_total", 0.001),
    (r#"sessiond_requests_total{method="CreateSession",code="OK",lane="unary"}"#, 5.0),
    (r#"sessiond_requests_total{method="CreateSession",code="RESOURCE_EXHAUSTED",lane="unary"}"#, 2.0),
    (r#"sessiond_requests_total{method="GetSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="GetSession",code="NOT_FOUND",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="UpdateSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="UpdateSession",code="ABORTED",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="TouchSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="RotateSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="DeleteSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="BatchGetSessions",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="BatchDeleteSessions",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="ListSessions",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="CountSessions",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="RevokeSessions",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="LockSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="UnlockSession",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="IssueHandoff",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="RedeemHandoff",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="IssueCsrfToken",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="VerifyCsrfToken",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="GetStatistics",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="SweepNow",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="HealthCheck",code="OK",lane="unary"}"#, 1.0),
    (r#"sessiond_requests_total{method="CreateSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="GetSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="GetSession",code="NOT_FOUND",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="UpdateSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="TouchSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="RotateSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_requests_total{method="DeleteSession",code="OK",lane="stream"}"#, 1.0),
    (r#"sessiond_request_duration_seconds_count{method="GetSession",lane="unary"}"#, 2.0),
    (r#"sessiond_request_duration_seconds_count{method="GetSession",lane="stream"}"#, 2.0),
    (r#"sessiond_request_duration_seconds_sum{method="CreateSession",lane="unary"}"#, 0.000_01),
    (r#"sessiond_request_duration_seconds_sum{method="CreateSession",lane="stream"}"#, 0.000_001),
    (r#"sessiond_streams_total{method="Exchange",code="OK"}"#, 1.0),
    (r#"sessiond_streams_total{method="WatchSessions",code="CANCELLED"}"#, 1.0),
    (r#"sessiond_streams_total{method="other",code="UNIMPLEMENTED"}"#, 1.0),
    (r#"sessiond_errors_total{reason="SESSION_NOT_FOUND"}"#, 2.0),
    (r#"sessiond_errors_total{reason="VERSION_MISMATCH"}"#, 1.0),
    (r#"sessiond_errors_total{reason="INVALID_ARGUMENT"}"#, 1.0),
    (r#"sessiond_errors_total{reason="UNKNOWN_METHOD"}"#, 1.0),
    (r#"sessiond_errors_total{reason="SESSION_TOO_LARGE"}"#, 1.0),
    (r#"sessiond_errors_total{reason="SESSION_LIMIT_REACHED"}"#, 1.0),
    (r#"sessiond_errors_total{reason="MESSAGE_TOO_LARGE"}"#, 1.0),
    (r#"sessiond_errors_total{reason="HEADERS_TOO_LARGE"}"#, 1.0),
    ("sessiond_connections", 1.0),
    (r#"sessiond_sessions{namespace="default"}"#, 1.0),
    ("sessiond_namespaces", 1.0),
    ("sessiond_sessions_created_total", 6.0),
    ("sessiond_sessions_expired_total", 1.0),
    ("sessiond_sessions_deleted_total", 3.0),
    ("sessiond_sessions_revoked_total", 1.0),
    // Of a get in each lane, and one in each batch.
    ("sessiond_failed_lookups_total", 4.0),
    ("sessiond_events", 6.0),
    ("sessiond_events_bytes", 100.0),
    ("sessiond_commit_group_transactions_count", 3.0),
    ("sessiond_commit_group_transactions_sum", 8.0),
    ("sessiond_redo_sync_duration_seconds_count", 3.0),
    ("sessiond_redo_sync_duration_seconds_sum", 0.000_001),
    ("sessiond_checkpoint_backlog_bytes", 100.0),
    ("sessiond_redo_bytes", 100.0),
    ("sessiond_record_cache_hits_total", 5.0),
    ("sessiond_record_cache_misses_total", 1.0),
];

/// Calls in one exchange stream.
struct Exchange {
    calls: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<sessiond_client::proto::ExchangeResponse>,
}

impl Exchange {
    async fn open(server: &Server) -> Self {
        let (calls, sent) = mpsc::channel(1);
        Self { calls, replies: server.stub().exchange(ReceiverStream::new(sent)).await.unwrap().into_inner() }
    }

    async fn call(&mut self, method: Method) -> Answer {
        self.calls
            .send(ExchangeRequest {
                calls: vec![Call { tag: 1, timeout: None, method: Some(method), trace_context: None }],
            })
            .await
            .unwrap();
        let message = timeout(LONG, self.replies.message()).await.unwrap().unwrap().expect("a reply");
        message.replies.into_iter().next().unwrap().result.unwrap()
    }

    async fn end(mut self) {
        drop(self.calls);
        assert!(timeout(LONG, self.replies.message()).await.unwrap().unwrap().is_none());
    }
}

/// Makes every call, some so that they fail. Returns all that must not be told.
async fn live(server: &Server) -> Vec<String> {
    let mut stub = server.stub();
    let mut secrets = vec!["the-principal".to_owned(), "the-attribute".to_owned(), "the-label".to_owned()];
    let new = || CreateSessionRequest::new().attribute("the-attribute", 1);
    let first = stub.create_session(new().principal("the-principal")).await.unwrap().into_inner();
    let mut id = first.session_id.clone();
    let over = stub.create_session(new().principal("the-principal")).await.unwrap_err();
    let large =
        stub.create_session(CreateSessionRequest::new().attribute("large", vec![0; 300 << 10])).await.unwrap_err();
    assert_eq!((over.code(), large.code()), (Code::ResourceExhausted, Code::ResourceExhausted));
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(stub.create_session(new()).await.unwrap().into_inner().session_id);
    }
    let short = Timeouts::new().idle(Duration::from_millis(1));
    secrets.push(stub.create_session(new().timeouts(short)).await.unwrap().into_inner().session_id);
    secrets.push(id.clone());
    stub.get_session(GetSessionRequest::new(&id)).await.unwrap();
    stub.touch_session(TouchSessionRequest::new(&id)).await.unwrap();
    let change = SessionChange::new().set_label("the-label", "x");
    stub.update_session(UpdateSessionRequest::new(&id, change.clone())).await.unwrap();
    stub.update_session(UpdateSessionRequest::new(&id, change).if_version(9)).await.unwrap_err();
    id = stub.rotate_session(RotateSessionRequest::new(&id)).await.unwrap().into_inner().session_id;
    secrets.push(id.clone());
    stub.delete_session(DeleteSessionRequest::by_id(&others[0])).await.unwrap();
    stub.get_session(GetSessionRequest::new(&others[0])).await.unwrap_err();
    stub.get_session(GetSessionRequest::new("not an ID")).await.unwrap_err();
    stub.batch_get_sessions(BatchGetSessionsRequest::new([&id, &others[0]])).await.unwrap();
    stub.batch_delete_sessions(BatchDeleteSessionsRequest::new([&others[1], &others[0]])).await.unwrap();
    stub.list_sessions(ListSessionsRequest::new()).await.unwrap();
    stub.count_sessions(CountSessionsRequest::new()).await.unwrap();
    let lock = stub.lock_session(LockSessionRequest::new(&id)).await.unwrap().into_inner().lock_token;
    stub.unlock_session(UnlockSessionRequest::new(&id, &lock)).await.unwrap();
    let ticket = stub.issue_handoff(IssueHandoffRequest::new(&id, "shop")).await.unwrap().into_inner().ticket;
    stub.redeem_handoff(RedeemHandoffRequest::new(&ticket, "shop")).await.unwrap();
    let token = stub.issue_csrf_token(IssueCsrfTokenRequest::new(&id)).await.unwrap().into_inner().token;
    stub.verify_csrf_token(VerifyCsrfTokenRequest::new(&id, &token)).await.unwrap();
    let session = stub.get_session(GetSessionRequest::new(&id)).await.unwrap().into_inner().session.unwrap();
    secrets.extend([lock, ticket, token, session.handle]);
    raw::call_store(server.channel(), "NoSuchMethod", &b""[..]).await.unwrap_err();
    raw::call(server.channel(), "/no.such.Service/Method", &b""[..]).await.unwrap_err();
    raw::call_store(server.channel(), "GetSession", vec![b'x'; 5 << 20]).await.unwrap_err();
    let mut headed = Request::new(GetSessionRequest::new(&id));
    headed.metadata_mut().insert("x-large", "x".repeat(20 << 10).parse().unwrap());
    stub.get_session(headed).await.unwrap_err();

    let client = server.client();
    let watch = client.watch(WatchSessionsRequest::new()).await.unwrap();
    drop(watch);
    client.statistics().await.unwrap();
    client.health("").await.unwrap();
    let mut exchange = Exchange::open(server).await;
    let Answer::Create(made) = exchange.call(Method::Create(new())).await else { panic!("created") };
    exchange.call(Method::Get(GetSessionRequest::new(&made.session_id))).await;
    exchange.call(Method::Get(GetSessionRequest::new(&others[0]))).await;
    exchange.call(Method::Touch(TouchSessionRequest::new(&made.session_id))).await;
    let change = SessionChange::new().set("the-attribute", 2);
    exchange.call(Method::Update(UpdateSessionRequest::new(&made.session_id, change))).await;
    let rotate = Method::Rotate(RotateSessionRequest::new(&made.session_id));
    let Answer::Rotate(rotated) = exchange.call(rotate).await else { panic!("rotated") };
    exchange.call(Method::Delete(DeleteSessionRequest::by_id(&rotated.session_id))).await;
    exchange.end().await;
    stub.revoke_sessions(RevokeSessionsRequest::of_principal("the-principal")).await.unwrap();
    stub.create_session(new()).await.unwrap();
    eventually("the short session is swept", async || {
        client.sweep_now().await.unwrap();
        client.statistics().await.unwrap().expired > 0
    })
    .await;
    secrets.extend(others);
    secrets.extend([made.session_id, rotated.session_id]);
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_there_and_moves_when_it_should() {
    let server = start(&["--max-sessions-per-principal", "1", "--sweep-interval", "10m"]);
    let address = server.metrics_address();
    let before = scrape(address);
    // It stays connected to the end.
    let connected = server.client();
    for (name, kind) in METRICS {
        assert_eq!(before.types.get(name).map(String::as_str), Some(kind), "{name}");
    }
    assert_eq!(before.types.len(), METRICS.len(), "{:?}", before.types);
    connected.health("").await.unwrap();
    live(&server).await;
    let mut after = Scrape::default();
    let grown = |after: &Scrape, sample: &str| after.value(sample) - before.value(sample);
    eventually("all that was done is counted", async || {
        after = scrape(address);
        // The server notices last that the watcher is gone.
        after.value(r#"sessiond_streams_total{method="WatchSessions",code="CANCELLED"}"#) > 0.0
    })
    .await;
    for (sample, least) in GROWTH {
        assert!(grown(&after, sample) >= *least, "{sample} grew by {} instead of {least}", grown(&after, sample));
    }
    for (sample, low, high) in [
        ("sessiond_build_info{version=\"0.1.0\",engine=\"sled\"}", 1.0, 1.0),
        ("process_start_time_seconds", 1.7e9, 1e11),
        ("process_resident_memory_bytes", 1e6, 1e10),
        ("sessiond_requests_in_flight_limit", 10_000.0, 10_000.0),
        ("sessiond_message_memory_limit_bytes", 268_435_456.0, 268_435_456.0),
        ("sessiond_connections_limit", 10_000.0, 10_000.0),
        ("sessiond_connections_per_address_limit", 1_000.0, 1_000.0),
        ("sessiond_data_bytes", 1e5, 1e9),
        ("sessiond_disk_free_bytes", 1e6, 1e17),
        ("sessiond_clock_ahead_seconds", -1.0, 1.0),
        ("sessiond_storage_stalls_total", 0.0, 0.0),
    ] {
        assert!((low..=high).contains(&after.value(sample)), "{sample} is {}", after.value(sample));
    }
}

#[test]
fn the_documentation_names_every_metric() {
    let documentation = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let named: Vec<&str> = documentation
        .lines()
        .filter(|line| ["gauge", "counter", "histogram"].iter().any(|kind| line.contains(&format!("` | {kind} |"))))
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .collect();
    let mut metrics: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let sessions = metrics.iter().position(|name| *name == "sessiond_sessions").unwrap();
    let optional = OF_TLS.into_iter().chain(OF_ACCESS).chain(OF_AUDIT).chain(OF_SPANS).chain(OF_CONSOLE);
    metrics.splice(sessions..sessions, optional);
    metrics.extend(OF_ENCRYPTION);
    assert_eq!(named, metrics, "docs/metrics.md lists other metrics, or in another order");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_handle_or_name_is_told() {
    let server = start(&["--sweep-interval", "10m"]);
    let mut secrets = Vec::new();
    for _ in 0..2 {
        secrets.extend(live_without_limit(&server).await);
    }
    let told = scrape(server.metrics_address()).text;
    assert!(told.contains("default"), "the namespace is told");
    assert!(secrets.len() > 20);
    for secret in secrets {
        assert!(secret.len() >= 8 && !told.contains(&secret), "{secret:?} is told");
    }
    assert!(!told.contains("127.0.0.1"), "a peer's address is told");
}

/// The same life where a principal may have many sessions.
async fn live_without_limit(server: &Server) -> Vec<String> {
    let mut stub = server.stub();
    let mut secrets = Vec::new();
    for number in 0..3 {
        let principal = format!("principal-{number}");
        let new = CreateSessionRequest::new().principal(&principal).attribute("attribute-name", number);
        let created = stub.create_session(new).await.unwrap().into_inner();
        let session = stub.get_session(GetSessionRequest::new(&created.session_id)).await.unwrap().into_inner();
        let rotated = stub.rotate_session(RotateSessionRequest::new(&created.session_id)).await.unwrap().into_inner();
        stub.get_session(GetSessionRequest::new(format!("chosen-unknown-{number}"))).await.unwrap_err();
        secrets.extend([principal, "attribute-name".into(), created.session_id, rotated.session_id]);
        secrets.extend([format!("chosen-unknown-{number}"), session.session.unwrap().handle]);
    }
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_namespaces_are_named() {
    let server = start(&["--engine", "memory"]);
    let mut stub = server.stub();
    for number in 0..1_050 {
        let mut new = CreateSessionRequest::new();
        new.namespace = format!("n{number:04}");
        stub.create_session(new).await.unwrap();
    }
    eventually("all are counted", async || scrape(server.metrics_address()).value("sessiond_namespaces") >= 1_050.0)
        .await;
    let scraped = scrape(server.metrics_address());
    assert_eq!(scraped.count("sessiond_sessions"), 1_001);
    assert!((scraped.value("sessiond_sessions{namespace=\"(other)\"}") - 50.0).abs() < f64::EPSILON);
    assert!((scraped.value("sessiond_sessions{namespace=\"n0999\"}") - 1.0).abs() < f64::EPSILON);
    // There is no disk to tell of.
    assert!(!scraped.types.contains_key("sessiond_data_bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_reads_nothing_is_seen_to_fall_behind() {
    let server = start(&["--engine", "memory"]);
    let client = server.client();
    let address = server.metrics_address();
    let watch = client.watch(WatchSessionsRequest::new()).await.unwrap();
    eventually("the watcher is counted", async || scrape(address).value("sessiond_watchers") > 0.0).await;
    eventually("it falls behind", async || {
        let other = server.client();
        for _ in 0..200 {
            other.create(CreateSessionRequest::new()).await.unwrap();
        }
        scrape(address).value("sessiond_slowest_watcher_lag_events") > 100.0
    })
    .await;
    drop((watch, client));
    eventually("it is gone", async || {
        let scraped = scrape(address);
        scraped.value("sessiond_watchers") + scraped.value("sessiond_slowest_watcher_lag_events") < 0.5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_counted_by_their_reasons() {
    let full = start(&["--min-free-space", "1000TiB"]);
    full.client().create(CreateSessionRequest::new()).await.unwrap_err();
    let reason = |reason: &str| format!("sessiond_errors_total{{reason=\"{reason}\"}}");
    let refused = || scrape(full.metrics_address()).value(&reason("STORAGE_FULL"));
    eventually("it is counted", async || refused() > 0.5).await;

    let busy = start(&["--max-requests-in-flight", "1"]);
    let client = busy.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let _lock = client.lock(LockSessionRequest::new(&id).lease(Duration::from_secs(60))).await.unwrap();
    let waits = client.clone();
    let waiting = tokio::spawn(async move {
        let wait = LockSessionRequest::new(id).lease(Duration::from_secs(1)).wait(Duration::from_secs(30));
        waits.lock(wait).await.map(drop)
    });
    let in_flight = || scrape(busy.metrics_address()).value("sessiond_requests_in_flight");
    eventually("the request waits", async || in_flight() > 0.5).await;
    eventually("a request is refused", async || client.create(CreateSessionRequest::new()).await.is_err()).await;
    let refused = || scrape(busy.metrics_address()).value(&reason("TOO_MANY_REQUESTS"));
    eventually("it is counted", async || refused() > 0.5).await;
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_the_clock_and_a_late_sweeper_are_told() {
    let clock = FakeTime::off_by(0);
    let flags = ["--metrics-listen", "127.0.0.1:0", "--sweep-interval", "10m"];
    let server = Server::start_under(tempfile::tempdir().unwrap(), clock.environment(), &flags);
    let (client, address) = (server.client(), server.metrics_address());
    eventually("the sweeper is late", async || {
        // The first sweep, which comes right after the start, may still take one.
        let short = Timeouts::new().idle(Duration::from_millis(1));
        client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap();
        scrape(address).value("sessiond_sweeper_lag_seconds") > 1.0
    })
    .await;
    clock.set_off_by(-3_600);
    eventually("the step is counted", async || scrape(address).value("sessiond_clock_steps_total") > 0.5).await;
    assert!(scrape(address).value("sessiond_clock_ahead_seconds") > 3_000.0);
}
