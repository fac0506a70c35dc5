//! Bounds of what a caller may do.

use crate::common::access::{AccessFiles, stub_with};
use crate::common::metrics::scrape;
use crate::common::{Server, eventually, reason};
use sessiond_client::proto::batch_get_sessions_result::Result as Item;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, Call, CreateSessionRequest, DeleteSessionRequest,
    ExchangeRequest, GetSessionRequest, TouchSessionRequest,
};
use tonic::Code;

fn get(id: impl Into<String>) -> GetSessionRequest {
    GetSessionRequest { session_id: id.into(), ..GetSessionRequest::default() }
}

fn guess(number: usize) -> String {
    format!("a-guess-that-is-wrong-{number}")
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_down_and_then_refused_and_visitors_are_not() {
    let server = Server::start_with(&["--max-failed-lookups", "20", "--metrics-listen", "127.0.0.1:0"]);
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::default()).await.unwrap().into_inner().session_id;
    let delayed = || scrape(server.metrics_address()).value("sessiond_delayed_lookups_total");
    assert!(delayed() < 0.5);

    // Many at a time: some are answered, some later, and the rest are refused.
    let calls = (0..100).map(|number: usize| Call {
        tag: number as u64,
        timeout: None,
        trace_context: None,
        method: Some(Method::Get(get(guess(number)))),
    });
    let calls = ExchangeRequest { calls: calls.collect() };
    let mut replies = stub.exchange(tokio_stream::once(calls)).await.unwrap().into_inner();
    let (mut missing, mut refused) = (0, 0);
    while let Some(message) = replies.message().await.unwrap() {
        for reply in message.replies {
            let Some(Answer::Error(error)) = reply.result else { panic!("{reply:?}") };
            match Code::from_i32(error.code) {
                Code::NotFound => missing += 1,
                Code::ResourceExhausted => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(missing >= 40 && refused > 0 && missing + refused == 100, "{missing} answered, {refused} refused");
    assert!(delayed() > 10.0);
    // Every way to ask counts; while others guess, those who have a session are served.
    let failed = || scrape(server.metrics_address()).value("sessiond_failed_lookups_total");
    let before = failed();
    stub.get_session(get(guess(0))).await.unwrap_err();
    stub.touch_session(TouchSessionRequest { session_id: guess(0), ..Default::default() }).await.unwrap_err();
    let missing = DeleteSessionRequest {
        allow_missing: true,
        target: Some(sessiond_client::proto::delete_session_request::Target::SessionId(guess(0))),
        ..Default::default()
    };
    assert!(!stub.delete_session(missing).await.unwrap().into_inner().deleted);
    let many = BatchGetSessionsRequest { session_ids: (0..5).map(guess).collect(), ..Default::default() };
    stub.batch_get_sessions(many).await.unwrap();
    eventually("all of them are counted", async || failed() > before + 7.5).await;
    stub.get_session(get(&id)).await.unwrap();
    assert!(server.log().contains("somebody may be guessing session IDs"), "{}", server.log());
    assert!(!server.log().contains("a-guess-that"), "{}", server.log());
}

/// What was done is told: a caller that saw the whole batch refused would not know that its session is gone.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_what_finds_nothing_is_refused() {
    let server = Server::start_with(&["--max-failed-lookups", "1"]);
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::default()).await.unwrap().into_inner().session_id;
    let session_ids: Vec<_> = std::iter::once(id.clone()).chain((0..10).map(guess)).collect();

    let read = BatchGetSessionsRequest { session_ids: session_ids.clone(), ..Default::default() };
    let read = stub.batch_get_sessions(read).await.unwrap().into_inner().results;
    let mut read = read.into_iter().map(|result| result.result.unwrap());
    assert!(matches!(read.next(), Some(Item::Session(_))));
    for result in read {
        let Item::Error(error) = result else { panic!("{result:?}") };
        assert_eq!(error.reason, "TOO_MANY_REQUESTS");
        assert!(error.message.contains("look-ups of this caller fail"), "{error:?}");
    }

    let ended = BatchDeleteSessionsRequest { session_ids, ..Default::default() };
    let ended = stub.batch_delete_sessions(ended).await.unwrap().into_inner().results;
    assert!(ended[0].deleted && ended[0].error.is_none(), "{:?}", ended[0]);
    for result in &ended[1..] {
        assert_eq!(result.error.as_ref().map(|error| error.reason.as_str()), Some("TOO_MANY_REQUESTS"), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_its_own_bounds() {
    let rule = "allow = [{ namespaces = [\"default\"], may = [\"sessions\"] }]";
    let files = AccessFiles::new(&format!(
        "[caller.bounded]\nmax-calls-per-second = 5\n{rule}\n[caller.intruder]\n{rule}\n[caller.free]\n{rule}\n"
    ));
    let [bounded, intruder, free] = ["bounded", "intruder", "free"].map(|caller| files.token(caller));
    let server = files.serve(&["--max-failed-lookups", "1", "--metrics-listen", "127.0.0.1:0"]);
    let mut stub = stub_with(server.channel(), &bounded);
    let mut ended = Vec::new();
    // More than are allowed in the time that they take: 5 at once, and 5 a second.
    for _ in 0..1_000 {
        ended.push(stub.create_session(CreateSessionRequest::default()).await.err());
        if ended.iter().flatten().count() == 3 {
            break;
        }
    }
    assert!(ended.iter().take(5).all(Option::is_none), "{ended:?}");
    let refused = ended.into_iter().flatten().next().expect("one is refused");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    assert!(refused.message().starts_with("the caller bounded makes more than 5 calls a second"), "{refused:?}");

    let guesses = (0..10).map(|number| {
        let mut stub = stub_with(server.channel(), &intruder);
        tokio::spawn(async move { stub.get_session(get(guess(number))).await.unwrap_err() })
    });
    let guesses: Vec<_> = guesses.collect();
    let mut reasons = Vec::new();
    for guess in guesses {
        reasons.push(reason(&guess.await.unwrap()));
    }
    assert!(reasons.iter().any(|reason| reason == "TOO_MANY_REQUESTS"), "{reasons:?}");
    let other = stub_with(server.channel(), &free).get_session(get(guess(1))).await.unwrap_err();
    assert_eq!(reason(&other), "SESSION_NOT_FOUND", "another caller is not blamed");
    let failed = scrape(server.metrics_address()).value("sessiond_caller_failed_lookups_total{caller=\"intruder\"}");
    assert!((failed - 10.0).abs() < 0.5, "{failed}");
}
