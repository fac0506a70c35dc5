//! Spans of traced calls, as a collector receives them.

use super::traces::{exchange, traced, traceparent};
use crate::common::access::{AccessFiles, stub_with};
use crate::common::metrics::scrape;
use crate::common::tls::Certificates;
use crate::common::{LONG, Run, Server, binary, eventually, run};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueHandoffRequest,
    ListSessionsRequest, LockSessionRequest, RedeemHandoffRequest, RotateSessionRequest, SessionChange,
    TouchSessionRequest, UpdateSessionRequest,
};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// Keeps the requests that it receives, and the headers of the last one.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<ExportTraceServiceRequest>>>, Arc<Mutex<MetadataMap>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.1.lock().unwrap().clone_from(request.metadata());
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector on this machine.
struct Collector {
    url: String,
    received: Received,
    serving: JoinHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        Self::serve("http", tonic::transport::Server::builder()).await
    }

    /// One that speaks TLS with the certificate of these files.
    async fn start_tls(certificates: &Certificates) -> Self {
        let [certificate, key] =
            ["server.pem", "server-key.pem"].map(|file| fs::read(certificates.path(file)).unwrap());
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Self::serve("https", tonic::transport::Server::builder().tls_config(tls).unwrap()).await
    }

    async fn serve(scheme: &str, mut server: tonic::transport::Server) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let received = Received::default();
        let serving = server.add_service(TraceServiceServer::new(received.clone()));
        let serving = serving.serve_with_incoming(TcpListenerStream::new(listener));
        Self { url, received, serving: tokio::spawn(async { serving.await.unwrap() }) }
    }

    /// The spans, in the order of their names.
    fn spans(&self) -> Vec<Span> {
        let requests = self.received.0.lock().unwrap().clone();
        let scopes =
            requests.into_iter().flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
        let mut spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
        spans.sort_by(|one, other| one.name.cmp(&other.name));
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The spans that a server has sent, and those that it has dropped.
fn counted(server: &Server) -> (f64, f64) {
    let scraped = scrape(server.metrics_address());
    (scraped.value("sessiond_spans_exported_total"), scraped.value("sessiond_spans_dropped_total"))
}

/// The attributes of a span, as text.
fn attributes(span: &Span) -> Vec<String> {
    let value = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = span.attributes.iter().cloned();
    pairs.map(|pair| format!("{}={}", pair.key, value(pair.value.and_then(|any| any.value)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sampled_calls_of_both_lanes_have_spans_under_their_callers() {
    let collector = Collector::start().await;
    let files = AccessFiles::new("[caller.shop]\nallow = [{ namespaces = [\"default\"], may = [\"application\"] }]\n");
    let token = files.token("shop");
    let mut server = files.serve(&["--otlp-endpoint", &collector.url]);
    let mut stub = stub_with(server.channel(), &token);
    let create = traced(CreateSessionRequest::new(), &traceparent(1, 11, "01"));
    let made = stub.create_session(create).await.unwrap().into_inner();
    let handle = made.session.unwrap().handle;
    let missing = traced(GetSessionRequest::new("there-is-no-such-session"), &traceparent(2, 12, "01"));
    stub.get_session(missing).await.unwrap_err();
    // Neither of these is sampled.
    stub.get_session(traced(GetSessionRequest::new(&made.session_id), &traceparent(3, 13, "00"))).await.unwrap();
    stub.get_session(GetSessionRequest::new(&made.session_id)).await.unwrap();
    // A server that stops sends what is left.
    drop(stub);
    server.stop();

    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    let (create, get) = ("sessiond.v1.SessionStore/CreateSession", "sessiond.v1.SessionStore/GetSession");
    assert_eq!(names, ["engine", "engine", create, get]);
    let (created, got) = (&spans[2], &spans[3]);
    assert_eq!((&*created.trace_id, &*created.parent_span_id), (&1_u128.to_be_bytes()[..], &11_u64.to_be_bytes()[..]));
    assert_eq!((&*got.trace_id, &*got.parent_span_id), (&2_u128.to_be_bytes()[..], &12_u64.to_be_bytes()[..]));
    let common = ["rpc.system=grpc", "rpc.service=sessiond.v1.SessionStore"];
    let told = |method: &str, code: &str, more: &[&str]| {
        let (method, code) = (format!("rpc.method={method}"), format!("rpc.grpc.status_code={code}"));
        let own = [&*method, &*code, "sessiond.lane=unary", "sessiond.caller=shop", "sessiond.namespace=default"];
        [&common[..], &own, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(attributes(created), told("CreateSession", "0", &[&format!("sessiond.handle={handle}")]));
    assert_eq!(attributes(got), told("GetSession", "5", &[]));
    // Not to find a session is no fault of the server.
    assert!(created.status.is_none() && got.status.is_none());
    for engine in &spans[..2] {
        let call = spans[2..].iter().find(|span| span.span_id == engine.parent_span_id).unwrap();
        assert_eq!(engine.trace_id, call.trace_id);
        assert!(call.start_time_unix_nano <= engine.start_time_unix_nano);
        assert!(engine.start_time_unix_nano <= engine.end_time_unix_nano);
        assert!(engine.end_time_unix_nano <= call.end_time_unix_nano);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_stream_have_spans_of_their_own_traces() {
    let collector = Collector::start().await;
    let server = Server::start_with(&["--otlp-endpoint", &collector.url, "--metrics-listen", "127.0.0.1:0"]);
    let id = server.stub().create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let update = || Method::Update(UpdateSessionRequest::new(&id, SessionChange::new().set("n", 1)));
    let (one, other) = (traceparent(1, 11, "01"), traceparent(2, 12, "01"));
    let (unsampled, garbled) = (traceparent(3, 13, "00"), traceparent(0, 14, "01"));
    exchange(&server, vec![(update(), &one), (update(), &other), (update(), &unsampled), (update(), &garbled)]).await;

    eventually("the spans arrive", async || collector.spans().len() >= 4).await;
    let spans = collector.spans();
    let mut parents: Vec<_> =
        spans[2..].iter().map(|span| (span.trace_id.clone(), span.parent_span_id.clone())).collect();
    parents.sort();
    let expected = [(1_u128, 11_u64), (2, 12)]
        .map(|(trace, parent)| (trace.to_be_bytes().to_vec(), parent.to_be_bytes().to_vec()));
    assert_eq!(parents, expected);
    for span in &spans[2..] {
        assert_eq!((&*span.name, &*span.trace_state), ("sessiond.v1.SessionStore/UpdateSession", "vendor=1"));
        assert!(attributes(span).contains(&"sessiond.lane=stream".to_owned()));
    }
    let counted = async || counted(&server) == (4.0, 0.0);
    eventually("they are counted", counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_span() {
    let collector = Collector::start().await;
    let mut server = Server::start_with(&["--otlp-endpoint", &collector.url]);
    let parent = traceparent(1, 11, "01");
    let trace = |mut request: Request<()>| {
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        Ok(request)
    };
    let mut stub = SessionStoreClient::with_interceptor(server.channel(), trace);
    let new = CreateSessionRequest::new().principal("the-principal").attribute("name", "the-attribute");
    let first = stub.create_session(new).await.unwrap().into_inner().session_id;
    let change = SessionChange::new().set("name", "the-attribute");
    stub.update_session(UpdateSessionRequest::new(&first, change.clone())).await.unwrap();
    stub.touch_session(TouchSessionRequest::new(&first)).await.unwrap();
    stub.get_session(GetSessionRequest::new("there is no such ID")).await.unwrap_err();
    stub.get_session(GetSessionRequest::new("there-is-no-such-session")).await.unwrap_err();
    let id = stub.rotate_session(RotateSessionRequest::new(&first)).await.unwrap().into_inner().session_id;
    let lock = stub.lock_session(LockSessionRequest::new(&id)).await.unwrap().into_inner().lock_token;
    let ticket = stub.issue_handoff(IssueHandoffRequest::new(&id, "blog")).await.unwrap().into_inner().ticket;
    let other = stub.redeem_handoff(RedeemHandoffRequest::new(&ticket, "blog")).await.unwrap().into_inner().session_id;
    let csrf = stub.issue_csrf_token(IssueCsrfTokenRequest::new(&id)).await.unwrap().into_inner().token;
    stub.list_sessions(ListSessionsRequest::new().principal("the-principal")).await.unwrap();
    let calls = vec![
        (Method::Update(UpdateSessionRequest::new(&id, change).lock_token(&lock)), &*parent),
        (Method::Delete(DeleteSessionRequest::by_id(&id)), &*parent),
    ];
    exchange(&server, calls).await;
    drop(stub);
    server.stop();

    let spans = collector.spans();
    for method in ["CreateSession", "ListSessions", "LockSession", "DeleteSession"] {
        assert!(spans.iter().any(|span| span.name.ends_with(method)), "{method}");
    }
    let told = format!("{:?}", collector.received.0.lock().unwrap());
    let texts = ["the-principal", "the-attribute", "there-is-no-such-session", "there is no such ID"];
    for secret in [&first, &id, &lock, &ticket, &other, &csrf].map(String::as_str).into_iter().chain(texts) {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_over_tls_has_to_have_a_certificate_that_the_system_trusts() {
    let certificates = Certificates::new();
    let collector = Collector::start_tls(&certificates).await;
    for trusted in ["ca.pem", "other-ca.pem"] {
        let environment = vec![("SSL_CERT_FILE".to_owned(), certificates.name(trusted))];
        let flags = ["--otlp-endpoint", &collector.url, "--metrics-listen", "127.0.0.1:0"];
        let mut server = Server::start_under(tempfile::tempdir().unwrap(), environment, &flags);
        let mut stub = server.stub();
        stub.create_session(traced(CreateSessionRequest::new(), &traceparent(1, 11, "01"))).await.unwrap();
        let expected = if trusted == "ca.pem" { (2.0, 0.0) } else { (0.0, 2.0) };
        let counted = async || counted(&server) == expected;
        eventually("the spans are sent or dropped", counted).await;
        drop(stub);
        server.stop();
    }
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_headers_of_a_file_and_no_log_does() {
    let collector = Collector::start().await;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("headers");
    fs::write(&path, "# of the vendor\nX-Vendor-Key: the-vendor-key\nx-team: shop\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let path = path.to_str().unwrap();
    let mut server = Server::start_with(&["--otlp-endpoint", &collector.url, "--otlp-headers", path, "--log", "trace"]);
    let mut stub = server.stub();
    stub.create_session(traced(CreateSessionRequest::new(), &traceparent(1, 11, "01"))).await.unwrap();
    drop(stub);
    server.stop();
    assert_eq!(collector.spans().len(), 2);
    let headers = collector.received.1.lock().unwrap().clone();
    assert_eq!(headers.get("x-vendor-key").unwrap(), "the-vendor-key");
    assert_eq!(headers.get("x-team").unwrap(), "shop");
    assert!(!server.log().contains("the-vendor-key"), "{}", server.log());
}

#[test]
fn a_file_of_headers_that_can_not_be_used_is_told_in_one_line() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("headers");
    let file = path.to_str().unwrap();
    let refused = || {
        let flags =
            ["serve", "--listen", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1", "--otlp-headers", file];
        let Run { code, stderr, .. } = run(binary().args(flags));
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        stderr
    };
    let told = refused();
    assert!(told.contains(&format!("--otlp-headers: {file} can't be read (No such file")), "{told}");
    fs::write(&path, "the-vendor-key").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let told = refused();
    assert!(told.contains("is open to every user (mode 0644); take that away with chmod 0600"), "{told}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let told = refused();
    assert!(told.contains("line 1 has no colon; write name: value") && !told.contains("the-vendor-key"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_spans_and_no_call() {
    // Nobody listens there once the listener is gone.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut server = Server::start_with(&["--otlp-endpoint", &url, "--metrics-listen", "127.0.0.1:0"]);
    let mut stub = server.stub();
    for _ in 0..20 {
        stub.create_session(traced(CreateSessionRequest::new(), &traceparent(1, 11, "01"))).await.unwrap();
    }
    let dropped = async || counted(&server) == (0.0, 40.0);
    eventually("they are counted", dropped).await;
    assert!(server.log().contains("spans could not be sent to otlp-endpoint"), "{}", server.log());
    drop(stub);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_does_not_keep_a_server_from_stopping() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut server = Server::start_with(&["--otlp-endpoint", &url]);
    let mut stub = server.stub();
    stub.create_session(traced(CreateSessionRequest::new(), &traceparent(1, 11, "01"))).await.unwrap();
    drop(stub);
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < LONG);
    assert!(server.log().contains("the last spans could not be sent in time"), "{}", server.log());
}
