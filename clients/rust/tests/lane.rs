//! The fast lane against a server that does what the test wants.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{
    Call, CallError, CreateSessionRequest, ExchangeRequest, ExchangeResponse, GetSessionRequest, GetSessionResponse,
    Reply, Session,
};
use sessiond_client::{Client, Error, RetryPolicy};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the server does with a stream.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Replies to the calls of each message in reverse.
    Backwards,
    /// Knows no streams.
    Unimplemented,
    /// Ends the first stream without a reply, with this code, or as a server that drains.
    Breaks,
    Drains,
    /// Carries nothing out, on no stream.
    NeverReady,
    /// Ends every stream, and says that a message was too large.
    Refuses,
    /// Never replies to calls on the session "silent-session-id".
    Silent,
    /// Knows only the token in `Seen`: at the opening of a stream, and later for each call.
    Guarded,
}

#[derive(Clone)]
struct Fake {
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    streams: usize,
    messages: usize,
    unary: usize,
    /// Calls that arrived, by method.
    calls: HashMap<&'static str, usize>,
    /// The token that is valid.
    token: &'static str,
    /// Streams that the client has ended.
    ended: usize,
}

type Messages = Pin<Box<dyn tokio_stream::Stream<Item = Result<ExchangeResponse, Status>> + Send>>;

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
        let this = self.clone();
        Box::pin(async move {
            match request.uri().path() {
                "/sessiond.v1.SessionStore/Exchange" if this.manner == Manner::Unimplemented => {
                    this.seen.lock().expect("no panic").streams += 1;
                    Ok(Status::unimplemented("no such method").into_http())
                }
                "/sessiond.v1.SessionStore/Exchange" => {
                    Ok(Grpc::new(ProstCodec::<ExchangeResponse, ExchangeRequest>::default())
                        .streaming(this, request)
                        .await)
                }
                _ => Ok(Grpc::new(ProstCodec::<GetSessionResponse, GetSessionRequest>::default())
                    .unary(this, request)
                    .await),
            }
        })
    }
}

impl UnaryService<GetSessionRequest> for Fake {
    type Response = GetSessionResponse;
    type Future = BoxFuture<Response<GetSessionResponse>, Status>;

    fn call(&mut self, request: Request<GetSessionRequest>) -> Self::Future {
        self.seen.lock().expect("no panic").unary += 1;
        let response = read(&request.into_inner().session_id);
        Box::pin(async { Ok(Response::new(response)) })
    }
}

impl StreamingService<ExchangeRequest> for Fake {
    type Response = ExchangeResponse;
    type ResponseStream = Messages;
    type Future = BoxFuture<Response<Messages>, Status>;

    fn call(&mut self, request: Request<Streaming<ExchangeRequest>>) -> Self::Future {
        let this = self.clone();
        let header = request.metadata().get("authorization").and_then(|header| header.to_str().ok().map(str::to_owned));
        Box::pin(async move {
            if !this.knows(header.as_ref()) {
                this.seen.lock().expect("no panic").streams += 1;
                return Err(unauthenticated());
            }
            let (sender, receiver) = tokio::sync::mpsc::channel(64);
            tokio::spawn(this.converse(request.into_inner(), header, sender));
            Ok(Response::new(Box::pin(ReceiverStream::new(receiver)) as Messages))
        })
    }
}

impl Fake {
    async fn converse(
        self,
        mut requests: Streaming<ExchangeRequest>,
        header: Option<String>,
        replies: tokio::sync::mpsc::Sender<Result<ExchangeResponse, Status>>,
    ) {
        let stream = {
            let mut seen = self.seen.lock().expect("no panic");
            seen.streams += 1;
            seen.streams
        };
        while let Ok(Some(message)) = requests.message().await {
            self.count(&message);
            let end = match self.manner {
                Manner::Breaks if stream == 1 => Some(Status::internal("broken")),
                Manner::Drains if stream == 1 => Some(not_ready()),
                Manner::NeverReady => Some(not_ready()),
                Manner::Refuses => Some(too_large()),
                _ => None,
            };
            if let Some(status) = end {
                replies.send(Err(status)).await.ok();
                return;
            }
            let answers =
                message.calls.into_iter().rev().filter_map(|call| self.reply(call, header.as_ref())).collect();
            replies.send(Ok(ExchangeResponse { replies: answers })).await.ok();
        }
        self.seen.lock().expect("no panic").ended += 1;
    }

    fn knows(&self, header: Option<&String>) -> bool {
        let valid = format!("Bearer {}", self.seen.lock().expect("no panic").token);
        self.manner != Manner::Guarded || header == Some(&valid)
    }

    fn count(&self, message: &ExchangeRequest) {
        let mut seen = self.seen.lock().expect("no panic");
        seen.messages += 1;
        for call in &message.calls {
            let name = match call.method {
                Some(Method::Get(_)) => "get",
                Some(Method::Create(_)) => "create",
                _ => "other",
            };
            *seen.calls.entry(name).or_default() += 1;
        }
    }

    fn reply(&self, call: Call, header: Option<&String>) -> Option<Reply> {
        assert!(call.timeout.is_some(), "every call has a deadline");
        let result = match call.method {
            _ if !self.knows(header) => error_reply(&unauthenticated()),
            Some(Method::Get(get)) if get.session_id == "unknown-session-id" => not_found(),
            Some(Method::Get(get)) if self.manner == Manner::Silent && get.session_id == "silent-session-id" => {
                return None;
            }
            Some(Method::Get(get)) => Answer::Get(read(&get.session_id)),
            other => panic!("{other:?}"),
        };
        Some(Reply { tag: call.tag, result: Some(result) })
    }
}

/// The handle tells which call was answered.
fn read(id: &str) -> GetSessionResponse {
    GetSessionResponse { session: Some(Session { handle: id.to_owned(), ..Session::default() }), not_modified: false }
}

fn not_ready() -> Status {
    let details = ErrorDetails::with_error_info("NOT_READY", "sessiond", HashMap::new());
    Status::with_error_details(Code::Unavailable, "draining", details)
}

fn too_large() -> Status {
    let details = ErrorDetails::with_error_info("MESSAGE_TOO_LARGE", "sessiond", HashMap::new());
    Status::with_error_details(Code::ResourceExhausted, "too large", details)
}

fn not_found() -> Answer {
    let details = ErrorDetails::with_error_info("SESSION_NOT_FOUND", "sessiond", HashMap::new());
    error_reply(&Status::with_error_details(Code::NotFound, "none", details))
}

fn unauthenticated() -> Status {
    let details = ErrorDetails::with_error_info("UNAUTHENTICATED", "sessiond", HashMap::new());
    Status::with_error_details(Code::Unauthenticated, "who are you?", details)
}

fn error_reply(status: &Status) -> Answer {
    let details = status.details().to_vec().into();
    Answer::Error(CallError { code: status.code().into(), message: status.message().to_owned(), details })
}

async fn start(manner: Manner) -> (Client, Arc<Mutex<Seen>>) {
    let (address, seen) = serve(manner).await;
    let client = Client::builder().address(address).deadline(Duration::from_secs(5)).connect_lazy().expect("good");
    (client, seen)
}

async fn serve(manner: Manner) -> (String, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port").to_string();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let fake = Fake { manner, seen: Arc::clone(&seen) };
    tokio::spawn(Server::builder().add_service(fake).serve_with_incoming(TcpListenerStream::new(listener)));
    (address, seen)
}

fn id(number: usize) -> String {
    format!("chosen-session-id-{number}")
}

#[tokio::test]
async fn calls_made_together_travel_together_and_each_gets_its_own_reply() {
    let (client, seen) = start(Manner::Backwards).await;
    client.get(id(0)).await.expect("an answer");
    let calls = (0..500).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { (number, client.get(id(number)).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (number, read) = call.await.expect("the task ends");
        assert_eq!(read.expect("an answer").session.handle, id(number));
    }
    let seen = seen.lock().expect("no panic");
    assert_eq!((seen.streams, seen.unary, seen.calls["get"]), (1, 0, 501));
    assert!(seen.messages < 100, "{} messages", seen.messages);
}

#[tokio::test]
async fn an_error_is_that_of_its_call_alone() {
    let (client, _) = start(Manner::Backwards).await;
    let (good, bad) = tokio::join!(client.get(id(1)), client.get("unknown-session-id"));
    assert_eq!(good.expect("an answer").session.handle, id(1));
    assert_eq!(bad.expect_err("there is none"), Error::SessionNotFound);
}

#[tokio::test]
async fn where_the_stream_is_refused_calls_are_made_one_by_one() {
    let (client, seen) = start(Manner::Unimplemented).await;
    for number in 0..3 {
        assert_eq!(client.get(id(number)).await.expect("an answer").session.handle, id(number));
    }
    let seen = seen.lock().expect("no panic");
    assert_eq!((seen.streams, seen.unary), (1, 3));
}

#[tokio::test]
async fn when_a_stream_breaks_only_what_may_be_done_twice_is_repeated() {
    let (client, seen) = start(Manner::Breaks).await;
    let (read, created) = tokio::join!(client.get(id(1)), client.create(CreateSessionRequest::new()));
    assert_eq!(read.expect("it is repeated").session.handle, id(1));
    assert!(matches!(created.expect_err("its outcome is unknown"), Error::Unavailable { .. }));
    let seen = seen.lock().expect("no panic");
    assert_eq!((seen.streams, seen.calls["create"]), (2, 1));
}

/// A server that reads what comes and cuts the connection before it answers anything; how many connections had calls.
async fn cut_every_connection(listener: TcpListener, calls: Arc<AtomicUsize>) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let mut received = Vec::new();
        // The calls come in frames of data; before them there are only the greeting, settings and headers.
        while !received.windows(5).any(|bytes| bytes == b"theme") {
            if connection.read_buf(&mut received).await.is_ok_and(|read| read > 0) {
                continue;
            }
            break;
        }
        if received.windows(5).any(|bytes| bytes == b"theme") {
            calls.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_call_on_a_connection_that_was_cut_before_the_first_answer_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::builder().address(listener.local_addr().unwrap().to_string()).connect_lazy().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    tokio::spawn(cut_every_connection(listener, Arc::clone(&calls)));
    let outcome = client.create(CreateSessionRequest::new().attribute("theme", 1)).await;
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn why_the_server_ended_a_stream_is_told() {
    let (client, seen) = start(Manner::Refuses).await;
    let error = client.get(id(1)).await.expect_err("the stream is ended");
    assert_eq!(error.to_string(), "the request is too large: too large");
    assert_eq!(seen.lock().expect("no panic").streams, 1, "it is not repeated");
}

#[tokio::test]
async fn what_a_draining_server_left_is_repeated() {
    let (client, seen) = start(Manner::Drains).await;
    let (one, two) = tokio::join!(client.get(id(1)), client.get(id(2)));
    assert_eq!((one.expect("repeated").session.handle, two.expect("repeated").session.handle), (id(1), id(2)));
    assert_eq!(seen.lock().expect("no panic").streams, 2);
}

#[tokio::test]
async fn a_process_that_is_not_ready_is_left_for_the_next_without_a_pause() {
    let (standby, seen_by_standby) = serve(Manner::NeverReady).await;
    let (active, _) = serve(Manner::Backwards).await;
    let builder = Client::builder().address(format!("{standby},{active}")).retry(RetryPolicy::never());
    let client = builder.deadline(Duration::from_secs(5)).connect_lazy().expect("good");
    for number in 0..10 {
        assert_eq!(client.get(id(number)).await.expect("an answer").session.handle, id(number));
    }
    assert_eq!(seen_by_standby.lock().expect("no panic").streams, 1);
}

#[tokio::test]
async fn where_no_process_is_ready_the_error_says_so() {
    let (one, _) = serve(Manner::NeverReady).await;
    let (other, _) = serve(Manner::NeverReady).await;
    let address = format!("{one},{other}");
    let client = Client::builder().address(&address).connect_lazy().expect("good");
    assert_eq!(client.get(id(1)).await.expect_err("nothing is ready"), Error::NotReady { address });
}

#[tokio::test]
async fn a_call_without_a_reply_ends_at_its_deadline_and_disturbs_no_other() {
    let (client, _) = start(Manner::Silent).await;
    let hasty = client.with_deadline(Duration::from_millis(100));
    let error = hasty.get("silent-session-id").await.expect_err("there is no reply");
    assert!(matches!(error, Error::DeadlineExceeded { .. }), "{error}");
    assert_eq!(client.get(id(1)).await.expect("an answer").session.handle, id(1));
}

#[tokio::test]
async fn more_calls_than_may_be_in_flight_are_all_answered() {
    let (client, _) = start(Manner::Backwards).await;
    let calls = (0..5_000).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.get(id(number)).await.is_ok() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.expect("the task ends"));
    }
}

#[tokio::test]
async fn callers_who_give_up_leave_no_trace() {
    let (client, _) = start(Manner::Backwards).await;
    for _ in 0..2_000 {
        let call = client.get(id(1));
        // Dropped when it has been sent, mostly.
        tokio::select! {
            biased;
            _ = call => {}
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(client.get(id(1)).await.is_ok());
}

#[tokio::test]
async fn another_token_gets_another_stream_and_the_one_before_is_ended() {
    let (address, seen) = serve(Manner::Guarded).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let set = |valid| seen.lock().expect("no panic").token = valid;
    fs::write(&file, "first").unwrap();
    set("first");
    let client = Client::builder().address(&address).token_file(&file).deadline(Duration::from_secs(5));
    let client = client.connect_lazy().expect("good");
    client.get(id(0)).await.expect("the token is known");
    // Refused on the open stream; the file holds no other token.
    set("second");
    let refused = Error::Unauthenticated { address: address.clone(), message: "who are you?".to_owned() };
    assert_eq!(client.get(id(1)).await.expect_err("the token is not known"), refused);
    fs::write(&file, "second").unwrap();
    let calls = (0..100).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.get(id(number)).await.is_ok() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.expect("the task ends"));
    }
    // Refused at the opening of a stream: the next call opens it again, and is not made by itself.
    set("third");
    let other = Client::builder().address(&address).token("second").connect_lazy().expect("good");
    assert_eq!(other.get(id(1)).await.expect_err("the token is not known"), refused);
    set("second");
    other.get(id(1)).await.expect("the token is known");
    assert_eq!(seen.lock().expect("no panic").unary, 0);
    assert_eq!(seen.lock().expect("no panic").streams, 4);
    let mut looks = 0;
    while seen.lock().expect("no panic").ended == 0 {
        looks += 1;
        assert!(looks < 5_000, "the first stream is not ended");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
