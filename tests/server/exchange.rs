//! Tests of the exchange stream with raw messages: its answers, their order, and its end.

use crate::common::{LONG, Server, reason};
use rustix::process::Signal;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{
    Call, CallError, CreateSessionRequest, DeleteSessionRequest, ExchangeRequest, ExchangeResponse, GetSessionRequest,
    Reply, RotateSessionRequest, SessionChange, TouchSessionRequest, UpdateSessionRequest,
};
use sessiond_client::{Client, Duration as ProtoDuration};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

/// One stream: its requests and its replies.
struct Lane {
    calls: Option<mpsc::Sender<ExchangeRequest>>,
    messages: Streaming<ExchangeResponse>,
    early: Vec<Reply>,
}

impl Lane {
    async fn open(server: &Server) -> Self {
        let (calls, sent) = mpsc::channel(64);
        let messages = server.stub().exchange(ReceiverStream::new(sent)).await.unwrap().into_inner();
        Self { calls: Some(calls), messages, early: Vec::new() }
    }

    /// Sends calls in one message, with tags from 1 on.
    async fn send(&self, methods: impl IntoIterator<Item = Method>) {
        let calls = (1..).zip(methods).map(|(tag, method)| Call {
            tag,
            timeout: None,
            method: Some(method),
            trace_context: None,
        });
        self.send_calls(calls.collect()).await;
    }

    async fn send_calls(&self, calls: Vec<Call>) {
        self.calls.as_ref().unwrap().send(ExchangeRequest { calls }).await.unwrap();
    }

    /// The next reply; `None` at a good end.
    async fn next(&mut self) -> Result<Option<Reply>, Status> {
        while self.early.is_empty() {
            let Some(message) = timeout(LONG, self.messages.message()).await.expect("something comes")? else {
                return Ok(None);
            };
            assert!(!message.replies.is_empty(), "an empty message");
            self.early = message.replies;
            self.early.reverse();
        }
        Ok(self.early.pop())
    }

    /// The next replies, in the order in which they come.
    async fn replies(&mut self, count: usize) -> Vec<(u64, Answer)> {
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            let reply = self.next().await.unwrap().expect("another reply");
            replies.push((reply.tag, reply.result.expect("a result")));
        }
        replies
    }

    /// The replies to calls that were sent together, in the order of the calls.
    async fn exchange(&mut self, methods: impl IntoIterator<Item = Method>) -> Vec<Answer> {
        let methods: Vec<Method> = methods.into_iter().collect();
        let count = methods.len();
        self.send(methods).await;
        let mut replies = self.replies(count).await;
        replies.sort_unstable_by_key(|(tag, _)| *tag);
        replies.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Ends the client's side.
    fn finish(&mut self) {
        self.calls = None;
    }
}

fn status(error: &CallError) -> Status {
    Status::with_details(Code::from_i32(error.code), error.message.clone(), error.details.clone())
}

fn error(answer: &Answer) -> Status {
    match answer {
        Answer::Error(error) => status(error),
        other => panic!("an error was expected, but it answered {other:?}"),
    }
}

fn create(id: &str) -> Method {
    Method::Create(CreateSessionRequest::new().session_id(id).attribute("count", 0))
}

fn set(id: &str, name: &str, value: i64) -> Method {
    Method::Update(UpdateSessionRequest::new(id, SessionChange::new().set(name, value)))
}

fn peek(id: &str) -> Method {
    Method::Get(GetSessionRequest::new(id).peek())
}

fn id(n: usize) -> String {
    format!("chosen-session-id-{n}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_as_its_unary_call_does() {
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    let client = server.client();

    let [Answer::Create(created)] = &lane.exchange([create(&id(1))]).await[..] else { panic!("a session") };
    assert_eq!(created.session_id, id(1));
    let [Answer::Update(updated)] = &lane.exchange([set(&id(1), "theme", 7)]).await[..] else { panic!("an update") };
    assert_eq!(updated.session.as_ref().unwrap().version, created.session.as_ref().unwrap().version + 1);
    let [Answer::Get(got)] = &lane.exchange([peek(&id(1))]).await[..] else { panic!("a read") };
    assert_eq!(got.session, Some(client.get(GetSessionRequest::new(id(1)).peek()).await.unwrap().session));
    let [Answer::Touch(touched)] = &lane.exchange([Method::Touch(TouchSessionRequest::new(id(1)))]).await[..] else {
        panic!("a touch")
    };
    assert_eq!(touched.version, updated.session.as_ref().unwrap().version);
    let rotate = Method::Rotate(RotateSessionRequest::new(id(1)));
    let [Answer::Rotate(rotated)] = &lane.exchange([rotate]).await[..] else { panic!("a rotation") };
    assert_eq!(rotated.session.as_ref().unwrap().handle, created.session.as_ref().unwrap().handle);
    let delete = || Method::Delete(DeleteSessionRequest::by_id(&rotated.session_id).allow_missing());
    let [Answer::Delete(first), Answer::Delete(second)] = &lane.exchange([delete(), delete()]).await[..] else {
        panic!("two deletions")
    };
    assert_eq!((first.deleted, second.deleted), (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_one_calls_and_the_same_as_unary() {
    let server = Server::start_with(&["--max-session-size", "1KiB"]);
    let mut lane = Lane::open(&server).await;
    lane.exchange([create(&id(1))]).await;
    let large = SessionChange::new().set("large", "x".repeat(2_000));
    let calls = vec![
        peek("an-unknown-session-id"),
        peek("short"),
        create(&id(1)),
        Method::Update(UpdateSessionRequest::new(id(1), SessionChange::new()).if_version(99)),
        Method::Update(UpdateSessionRequest::new(id(1), large)),
        Method::Delete(DeleteSessionRequest::default()),
        peek(&id(1)),
    ];
    let answers = lane.exchange(calls.clone()).await;
    let mut stub = server.stub();
    for (method, answer) in calls.into_iter().zip(&answers) {
        let unary = match method {
            Method::Create(request) => stub.create_session(request).await.map(drop),
            Method::Get(request) => stub.get_session(request).await.map(drop),
            Method::Update(request) => stub.update_session(request).await.map(drop),
            Method::Delete(request) => stub.delete_session(request).await.map(drop),
            other => unreachable!("{other:?}"),
        };
        match unary {
            Ok(()) => assert!(matches!(answer, Answer::Get(_)), "{answer:?}"),
            Err(unary) => {
                let fast = error(answer);
                assert_eq!((fast.code(), fast.message()), (unary.code(), unary.message()));
                let details = |status: &Status| {
                    let details = status.get_error_details();
                    let info = details.error_info().map(|info| (info.reason.clone(), info.metadata.clone()));
                    let fields = details.bad_request().map(|bad| format!("{:?}", bad.field_violations));
                    (info, fields)
                };
                assert_eq!(details(&fast), details(&unary));
            }
        }
    }
    assert!(matches!(answers.last(), Some(Answer::Get(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_method_or_time_is_refused_and_names_the_field() {
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    let timeout = |nanos| Some(ProtoDuration { seconds: 0, nanos });
    lane.send_calls(vec![
        Call { tag: 1, timeout: None, method: None, trace_context: None },
        Call { tag: 2, timeout: timeout(0), method: Some(peek(&id(1))), trace_context: None },
        Call { tag: 3, timeout: timeout(-5), method: Some(peek(&id(1))), trace_context: None },
        Call { tag: 4, timeout: timeout(999_000_000), method: Some(create(&id(1))), trace_context: None },
    ])
    .await;
    let replies: HashMap<u64, Answer> = lane.replies(4).await.into_iter().collect();
    for (tag, field) in [(1, "method"), (2, "timeout"), (3, "timeout")] {
        let status = error(&replies[&tag]);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
        assert!(status.message().starts_with(field), "{status:?}");
    }
    assert!(matches!(replies[&4], Answer::Create(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_on_one_session_keep_their_order() {
    const ROUNDS: i64 = 50;
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    let mut calls = Vec::new();
    for n in 0..8 {
        calls.push(create(&id(n)));
    }
    for round in 1..=ROUNDS {
        for n in 0..8 {
            calls.push(set(&id(n), "count", round));
            calls.push(peek(&id(n)));
        }
    }
    // A session is rotated to an ID that the caller chooses, and the next call uses that ID at once.
    calls.push(Method::Rotate(RotateSessionRequest::new(id(0)).new_session_id(id(100))));
    calls.push(peek(&id(100)));
    calls.push(peek(&id(0)));
    let answers = lane.exchange(calls).await;
    let reads = answers[8..8 + usize::try_from(ROUNDS).unwrap() * 16].chunks(2).enumerate();
    for (at, pair) in reads {
        let [Answer::Update(updated), Answer::Get(got)] = pair else { panic!("{pair:?}") };
        let session = got.session.as_ref().unwrap();
        assert_eq!(session.version, updated.session.as_ref().unwrap().version);
        assert_eq!(session.attributes["count"], (i64::try_from(at).unwrap() / 8 + 1).into());
    }
    let [.., Answer::Rotate(_), Answer::Get(_), gone] = &answers[..] else {
        panic!("{:?}", &answers[answers.len() - 3..])
    };
    assert_eq!(reason(&error(gone)), "SESSION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_by_handle_stands_between_the_calls_before_and_behind_it() {
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    let [Answer::Create(created)] = &lane.exchange([create(&id(1))]).await[..] else { panic!("a session") };
    let handle = created.session.as_ref().unwrap().handle.clone();
    let answers = lane
        .exchange([
            set(&id(1), "count", 1),
            peek(&id(1)),
            Method::Delete(DeleteSessionRequest::by_handle(handle)),
            peek(&id(1)),
            create(&id(1)),
            peek(&id(1)),
        ])
        .await;
    let [Answer::Update(_), Answer::Get(_), Answer::Delete(_), gone, Answer::Create(_), Answer::Get(_)] = &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!(reason(&error(gone)), "SESSION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_overtakes_the_writes_of_other_sessions() {
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    lane.exchange([create(&id(1)), create(&id(2))]).await;
    lane.send([set(&id(1), "count", 1), peek(&id(2))]).await;
    let replies = lane.replies(2).await;
    assert_eq!(replies.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_side_gets_all_replies_and_a_good_end() {
    let server = Server::start();
    let mut lane = Lane::open(&server).await;
    lane.send((0..200).map(|n| create(&id(n)))).await;
    lane.finish();
    assert_eq!(lane.replies(200).await.len(), 200);
    assert_eq!(lane.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_takes_a_place_and_is_refused_alone() {
    let server = Server::start_with(&["--max-requests-in-flight", "4"]);
    let mut lane = Lane::open(&server).await;
    let answers = lane.exchange((0..64).map(|n| create(&id(n)))).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Answer::Error(_)));
    let refused: Vec<Status> = refused.map(error).collect();
    assert_eq!(refused.len(), 60, "the first four are made, and take all places meanwhile");
    assert!(refused.iter().all(|status| reason(status) == "TOO_MANY_REQUESTS"), "{refused:?}");
    // The requests are no longer in flight.
    assert!(matches!(lane.exchange([create(&id(99))]).await[..], [Answer::Create(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_not_read_from_and_costs_bounded_memory() {
    const SESSION_BYTES: usize = 6_000;
    const CALLS: usize = 100_000;
    let server = Server::start();
    let client = server.client();
    let made =
        client.create(CreateSessionRequest::new().session_id(id(1)).attribute("large", "x".repeat(SESSION_BYTES)));
    made.await.unwrap();
    let memory = async || client.statistics().await.unwrap().memory_bytes;
    let before = memory().await;

    // The calls take 4 MB. Their replies would take 600 MB.
    let mut lane = Lane::open(&server).await;
    let calls = lane.calls.clone().unwrap();
    let sent = tokio::spawn(async move {
        for first in (0..CALLS).step_by(100) {
            let tags = first..first + 100;
            let call = |tag| Call { tag: tag as u64, timeout: None, method: Some(peek(&id(1))), trace_context: None };
            calls.send(ExchangeRequest { calls: tags.map(call).collect() }).await.unwrap();
        }
    });
    // Others are served meanwhile.
    for n in 2..200 {
        client.create(CreateSessionRequest::new().session_id(id(n))).await.unwrap();
    }
    let grown = memory().await.saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for a client that does not read");
    assert!(!sent.is_finished(), "the server took {CALLS} calls of a client that does not read");

    let mut answered = 0;
    while answered < CALLS {
        let reply = lane.next().await.unwrap().expect("all replies come once they are read");
        assert!(matches!(reply.result, Some(Answer::Get(_))));
        answered += 1;
    }
    sent.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_floods_does_not_keep_others_waiting() {
    let server = Server::start_with(&["--workers", "1"]);
    let client = server.client();
    client.create(CreateSessionRequest::new().session_id(id(1))).await.unwrap();
    let lane = Lane::open(&server).await;
    let Lane { calls, mut messages, .. } = lane;
    let flood = tokio::spawn(async move {
        let calls = calls.unwrap();
        loop {
            let group =
                (0..1_000).map(|tag| Call { tag, timeout: None, method: Some(peek(&id(1))), trace_context: None });
            if calls.send(ExchangeRequest { calls: group.collect() }).await.is_err() {
                return;
            }
        }
    });
    let read = tokio::spawn(async move {
        let mut replies = 0;
        while let Ok(Some(message)) = messages.message().await {
            replies += message.replies.len();
        }
        replies
    });
    for n in 2..100 {
        client.create(CreateSessionRequest::new().session_id(id(n))).await.unwrap();
    }
    assert!(!flood.is_finished() && !read.is_finished());
    flood.abort();
    assert!(timeout(LONG, read).await.unwrap().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_in_the_middle_of_a_group_tears_nothing() {
    let server = Server::start();
    let client = server.client();
    for round in 0..20 {
        let lane = Lane::open(&server).await;
        let session = id(1_000 + round);
        let updates = (1..=50).map(|n| set(&session, "count", n));
        lane.send([create(&session)].into_iter().chain(updates)).await;
        drop(lane);
        // Every call that began took effect as a whole, and none is in flight any more.
        let whole = async || match client.get(GetSessionRequest::new(&session).peek()).await {
            Ok(got) => got.session.attributes["count"] == (i64::try_from(got.session.version).unwrap() - 1).into(),
            Err(sessiond_client::Error::SessionNotFound) => true,
            Err(error) => panic!("{error}"),
        };
        assert!(whole().await);
    }
    let mut lane = Lane::open(&server).await;
    assert!(matches!(lane.exchange([create(&id(1))]).await[..], [Answer::Create(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_ends_a_stream_that_its_client_never_closes() {
    let mut server = Server::start();
    let mut lane = Lane::open(&server).await;
    lane.exchange([create(&id(1))]).await;
    server.signal(Signal::TERM);
    let status = lane.next().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_READY"));
    assert_eq!(server.wait(LONG).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_draining_leaves_without_a_reply_was_not_carried_out() {
    const CALLS: u64 = 5_000;
    let mut server = Server::start();
    let mut lane = Lane::open(&server).await;
    lane.exchange([create(&id(1))]).await;
    // The calls wait for each other, so that the server drains while they are in flight.
    lane.send((1..=CALLS).map(|n| set(&id(1), "count", i64::try_from(n).unwrap()))).await;
    let mut answered = 0;
    let end = loop {
        match lane.next().await {
            Ok(Some(reply)) => {
                assert!(matches!(reply.result, Some(Answer::Update(_))), "{reply:?}");
                answered += 1;
            }
            Ok(None) => panic!("no good end"),
            Err(status) => break status,
        }
        if answered == 20 {
            server.signal(Signal::TERM);
        }
    };
    assert_eq!(reason(&end), "NOT_READY");
    assert!(answered < CALLS, "it was done before it drained: more calls are needed");
    assert_eq!(server.wait(LONG).code(), Some(0));
    server.restart();
    let session = server.client().get(&id(1)).await.unwrap().session;
    assert_eq!(session.version, 1 + answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_ends_its_stream_alone() {
    let server = Server::start_with(&["--max-message-size", "64KiB", "--max-session-size", "16KiB"]);
    let mut lane = Lane::open(&server).await;
    let large = CreateSessionRequest::new().attribute("large", "x".repeat(100_000));
    lane.send([Method::Create(large)]).await;
    let status = lane.next().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let mut lane = Lane::open(&server).await;
    assert!(matches!(lane.exchange([create(&id(1))]).await[..], [Answer::Create(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_larger_than_a_message_may_be_travel_in_several() {
    let server = Server::start();
    let client: Client = server.client();
    for n in 0..8 {
        let request = CreateSessionRequest::new().session_id(id(n)).attribute("large", "x".repeat(60_000));
        client.create(request).await.unwrap();
    }
    let mut lane = Lane::open(&server).await;
    // The replies take 12 MB, and the client accepts 4 MB at most.
    let answers = lane.exchange((0..200).map(|n| peek(&id(n % 8)))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Get(_))));
}
