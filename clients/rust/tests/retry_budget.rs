//! What a server has to bear that answers, but with `UNAVAILABLE`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use sessiond_client::proto::{GetSessionRequest, GetSessionResponse, Session};
use sessiond_client::{Client, Error, Lane, RetryPolicy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetails, StatusExt as _};

/// Longer than all repetitions that the policy allows would take.
const DEADLINE: Duration = Duration::from_secs(600);
const RESERVE: usize = 1_000;
const CALLS: usize = 2_000;

/// Answers all calls and streams with `UNAVAILABLE`, and counts them, until it is available: then it answers calls one by one.
#[derive(Clone, Default)]
struct Fake {
    is_available: Arc<AtomicBool>,
    /// So many calls are told that it starts; then it is available.
    starts_for: usize,
    seen: Arc<AtomicUsize>,
}

impl NamedService for Fake {
    const NAME: &'static str = "sessiond.v1.SessionStore";
}

impl Service<HttpRequest<Body>> for Fake {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<HttpResponse<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let starts = self.seen.fetch_add(1, SeqCst) < self.starts_for;
        let this = self.clone();
        Box::pin(async move {
            Ok(if starts {
                let reason = ErrorDetails::with_error_info("NOT_READY", "sessiond", HashMap::new());
                Status::with_error_details(Code::Unavailable, "starting", reason).into_http()
            } else if !this.is_available.load(SeqCst) {
                Status::unavailable("overloaded").into_http()
            } else if request.uri().path().ends_with("/Exchange") {
                Status::unimplemented("no streams here").into_http()
            } else {
                Grpc::new(ProstCodec::<GetSessionResponse, GetSessionRequest>::default()).unary(this, request).await
            })
        })
    }
}

impl UnaryService<GetSessionRequest> for Fake {
    type Response = GetSessionResponse;
    type Future = BoxFuture<Response<GetSessionResponse>, Status>;

    fn call(&mut self, _: Request<GetSessionRequest>) -> Self::Future {
        let response = GetSessionResponse { session: Some(Session::default()), not_modified: false };
        Box::pin(async { Ok(Response::new(response)) })
    }
}

impl Fake {
    fn seen_meanwhile(&self) -> usize {
        self.seen.swap(0, SeqCst)
    }
}

async fn start(lane: Lane) -> (Client, Fake) {
    start_with(lane, Fake::default()).await
}

async fn start_with(lane: Lane, fake: Fake) -> (Client, Fake) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    tokio::spawn(Server::builder().add_service(fake.clone()).serve_with_incoming(TcpListenerStream::new(listener)));
    let policy = RetryPolicy { attempts: u32::MAX, pause: Duration::from_millis(1) };
    let client = Client::builder().address(address).lane(lane).retry(policy).deadline(DEADLINE);
    (client.connect_lazy().expect("the address is good"), fake)
}

/// Makes so many calls at the same time, through as many handles on the connection. All of them fail.
async fn all_fail(client: &Client, calls: usize) {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..calls {
        let client = client.with_deadline(DEADLINE);
        running.spawn(async move { client.get("a-secret-session-id").await });
    }
    for outcome in running.join_all().await {
        assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    }
    assert!(start.elapsed() < DEADLINE / 10, "they end long before their deadline");
}

#[tokio::test]
async fn repetitions_of_all_calls_together_are_bounded() {
    let (client, server) = start(Lane::Unary).await;
    all_fail(&client, CALLS).await;
    assert_eq!(server.seen_meanwhile(), CALLS + RESERVE);
    all_fail(&client, 10).await;
    assert_eq!(server.seen_meanwhile(), 10, "nothing is repeated any more");
}

#[tokio::test]
async fn calls_that_succeed_allow_repetitions_again() {
    let (client, server) = start(Lane::Unary).await;
    all_fail(&client, CALLS).await;
    server.is_available.store(true, SeqCst);
    for _ in 0..100 {
        client.get("a-secret-session-id").await.expect("an answer");
    }
    server.is_available.store(false, SeqCst);
    server.seen_meanwhile();
    all_fail(&client, 30).await;
    assert_eq!(server.seen_meanwhile(), 30 + 10);
}

#[tokio::test]
async fn streams_that_are_opened_again_are_bounded_too() {
    let (client, server) = start(Lane::Auto).await;
    all_fail(&client, CALLS).await;
    let seen = server.seen_meanwhile();
    assert!((RESERVE..=CALLS + RESERVE).contains(&seen), "{seen} streams");
    all_fail(&client, 10).await;
    assert!((1..=10).contains(&server.seen_meanwhile()), "nothing is repeated any more");
}

/// Its answers ask for the repetition, so that a restart fails no call, however many wait.
#[tokio::test]
async fn a_server_that_starts_takes_nothing_from_the_budget() {
    for lane in [Lane::Unary, Lane::Auto] {
        let fake = Fake { starts_for: RESERVE + 200, ..Fake::default() };
        fake.is_available.store(true, SeqCst);
        let (client, server) = start_with(lane, fake).await;
        let mut running = JoinSet::new();
        // Each is told many times.
        for _ in 0..100 {
            let client = client.with_deadline(DEADLINE);
            running.spawn(async move { client.get("a-secret-session-id").await });
        }
        for outcome in running.join_all().await {
            outcome.expect("the server is ready by then");
        }
        assert!(server.seen_meanwhile() > RESERVE + 200);
    }
}

/// Its absence costs nothing, so the budget is whole when a server comes.
#[tokio::test]
async fn calls_to_no_server_take_nothing_from_the_budget() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    drop(listener);
    let policy = RetryPolicy { attempts: u32::MAX, pause: Duration::from_millis(1) };
    let client = Client::builder().address(&address).lane(Lane::Unary).retry(policy).deadline(DEADLINE);
    let client = client.connect_lazy().expect("the address is good");
    let hasty = client.with_deadline(Duration::from_millis(200));
    let mut running = JoinSet::new();
    for _ in 0..CALLS {
        let client = hasty.clone();
        running.spawn(async move { client.get("a-secret-session-id").await });
    }
    running.join_all().await;
    let listener = TcpListener::bind(&address).await.expect("the port is still free");
    let fake = Fake::default();
    tokio::spawn(Server::builder().add_service(fake.clone()).serve_with_incoming(TcpListenerStream::new(listener)));
    all_fail(&client, CALLS).await;
    assert_eq!(fake.seen_meanwhile(), CALLS + RESERVE);
}
