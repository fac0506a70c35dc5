//! Tests of calls with many sessions: each has a result, in order, and no item harms another.

use crate::common::{Server, after, assert_blamed, millis, now};
use sessiond_client::proto::batch_get_sessions_result::Result as GetResult;
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, CountSessionsRequest, CreateSessionRequest, EventKind,
    GetSessionRequest, RotateSessionRequest, Timeouts, Value, WatchSessionsRequest,
};
use sessiond_client::{Client, Created, Error, WatchMessage};
use std::collections::HashSet;
use std::time::Duration;

async fn create(client: &Client) -> Created {
    client.create(CreateSessionRequest::new().attribute("theme", "dark")).await.unwrap()
}

async fn expired(client: &Client) -> String {
    let short = Timeouts::new().idle(Duration::from_millis(1));
    let created = client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap();
    after(millis(created.session.expire_time)).await;
    created.session_id
}

const MALFORMED: &str = "a malformed session ID";

#[tokio::test(flavor = "multi_thread")]
async fn each_id_has_its_result_in_its_place() {
    let server = Server::start();
    let client = server.client();
    let (first, second, rotated) = (create(&client).await, create(&client).await, create(&client).await);
    let elsewhere = create(&server.client_in("other")).await.session_id;
    let rotation = RotateSessionRequest::new(&rotated.session_id).grace(Duration::from_secs(60));
    let new = client.rotate(rotation).await.unwrap().session_id;
    let (expired, deleted) = (expired(&client).await, create(&client).await.session_id);
    client.delete(&deleted).await.unwrap();
    let ids = [
        &second.session_id,
        MALFORMED,
        "",
        "an-unknown-session-id",
        &first.session_id,
        &expired,
        &second.session_id,
        &elsewhere,
        &rotated.session_id,
        &deleted,
        &new,
    ];
    let answer = server.stub().batch_get_sessions(BatchGetSessionsRequest::new(ids)).await.unwrap().into_inner();
    let handle = |created: &Created| Ok(created.session.handle.clone());
    let (missing, malformed) = (|| Err("SESSION_NOT_FOUND".to_owned()), || Err("INVALID_ARGUMENT".to_owned()));
    let expected = [
        handle(&second),
        malformed(),
        malformed(),
        missing(),
        handle(&first),
        missing(),
        handle(&second),
        missing(),
        handle(&rotated),
        missing(),
        handle(&rotated),
    ];
    assert_eq!(answer.results.len(), expected.len());
    for (at, (result, expected)) in answer.results.into_iter().zip(expected).enumerate() {
        let found = match result.result.unwrap() {
            GetResult::Session(session) => {
                assert_eq!(session.attributes["theme"], Value::from("dark"));
                Ok(session.handle)
            }
            GetResult::Error(error) => {
                assert!(!error.message.is_empty() && !error.message.contains("malformed session"), "{error:?}");
                assert!(expected != malformed() || error.message.contains(&format!("session_ids[{at}]")), "{error:?}");
                Err(error.reason)
            }
        };
        assert_eq!(found, expected, "item {at}");
    }
    let one = client.batch_get(BatchGetSessionsRequest::new([&first.session_id])).await.unwrap();
    let alone = client.get(GetSessionRequest::new(&first.session_id).peek()).await.unwrap().session;
    assert_eq!(one, [Ok(alone)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_touches_unless_it_peeks() {
    let server = Server::start();
    let client = server.client();
    let mut made = Vec::new();
    for _ in 0..100 {
        made.push(create(&client).await);
    }
    let ids = || made.iter().map(|created| &created.session_id);
    let before = now();
    after(before).await;
    for (request, touches) in
        [(BatchGetSessionsRequest::new(ids()).peek(), false), (BatchGetSessionsRequest::new(ids()), true)]
    {
        let found = client.batch_get(request).await.unwrap();
        for (created, found) in made.iter().zip(found) {
            let shown = found.unwrap();
            assert_eq!(millis(shown.last_access_time) > before, touches);
            let kept = client.get(GetSessionRequest::new(&created.session_id).peek()).await.unwrap().session;
            assert_eq!(kept, shown);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_to_a_thousand_items() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await.session_id;
    let mut stub = server.stub();
    for count in [0, 1_001, 5_000] {
        let ids = || std::iter::repeat_n(&id, count);
        let status = stub.batch_get_sessions(BatchGetSessionsRequest::new(ids())).await.unwrap_err();
        assert_blamed(&status, "session_ids", &id);
        let status = stub.batch_delete_sessions(BatchDeleteSessionsRequest::new(ids())).await.unwrap_err();
        assert_blamed(&status, "session_ids", &id);
    }
    let most = std::iter::repeat_n(&id, 1_000);
    let found = client.batch_get(BatchGetSessionsRequest::new(most.clone())).await.unwrap();
    assert!(found.len() == 1_000 && found.iter().all(Result::is_ok));
    let deleted = client.batch_delete(BatchDeleteSessionsRequest::new(most)).await.unwrap();
    assert_eq!(deleted.len(), 1_000);
    assert_eq!((&deleted[0], deleted[1..].iter().all(|result| *result == Ok(false))), (&Ok(true), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_answer_has_no_room_for_is_told() {
    let server = Server::start_with(&["--max-message-size", "64KiB", "--max-session-size", "32KiB"]);
    let client = server.client();
    let mut ids = Vec::new();
    for number in 0..6_usize {
        // The fourth session is small and fits behind those that don't.
        let bytes = if number == 4 { 10 } else { 20 << 10 };
        let new = CreateSessionRequest::new().attribute("v", vec![u8::try_from(number).unwrap(); bytes]);
        ids.push(client.create(new).await.unwrap().session_id);
    }
    let found = client.batch_get(BatchGetSessionsRequest::new(&ids)).await.unwrap();
    let fits: Vec<bool> = found.iter().map(Result::is_ok).collect();
    assert_eq!(fits, [true, true, false, false, true, false]);
    assert!(found.iter().all(|result| result.as_ref().err().is_none_or(|error| *error == Error::BatchTooLarge)));
    // Each session is there if it is asked for alone.
    for id in &ids {
        assert!(client.batch_get(BatchGetSessionsRequest::new([id])).await.unwrap()[0].is_ok());
    }
    let many = std::iter::repeat_n("an-unknown-session-id", 1_000);
    assert!(client.batch_get(BatchGetSessionsRequest::new(many)).await.unwrap().iter().all(Result::is_err));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_sessions_and_errors_stays_within_its_bound() {
    let server = Server::start_with(&["--max-message-size", "64KiB", "--max-session-size", "48KiB"]);
    let client = server.client();
    let new = CreateSessionRequest::new().attribute("v", vec![7; 45 << 10]);
    let id = client.create(new).await.unwrap().session_id;
    let ids = std::iter::once(&*id).chain(std::iter::repeat_n(MALFORMED, 500));
    let found = client.batch_get(BatchGetSessionsRequest::new(ids)).await.unwrap();
    assert_eq!(found.len(), 501);
    let malformed = || std::iter::repeat_n(MALFORMED, 1_000);
    assert_eq!(client.batch_get(BatchGetSessionsRequest::new(malformed())).await.unwrap().len(), 1_000);
    assert_eq!(client.batch_delete(BatchDeleteSessionsRequest::new(malformed())).await.unwrap().len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_sessions_once_each() {
    let mut server = Server::start();
    let client = server.client();
    let mut made = Vec::new();
    for _ in 0..300 {
        made.push(create(&client).await);
    }
    let kept = made.pop().unwrap();
    let elsewhere = create(&server.client_in("other")).await.session_id;
    let rotation = RotateSessionRequest::new(&made[0].session_id).grace(Duration::from_secs(60));
    let rotated = client.rotate(rotation).await.unwrap().session_id;
    let request = WatchSessionsRequest::new().kind(EventKind::Deleted);
    let mut watch = client.watch(request).await.unwrap();
    let gone = expired(&client).await;
    let mut ids: Vec<&str> = made.iter().map(|created| &*created.session_id).collect();
    ids.extend([&rotated, MALFORMED, "an-unknown-session-id", &gone, &made[1].session_id, &elsewhere]);
    let deleted = client.batch_delete(BatchDeleteSessionsRequest::new(ids.clone())).await.unwrap();
    assert!(deleted[..299].iter().all(|result| *result == Ok(true)));
    // These are two IDs of one session, the old one first.
    assert_eq!(deleted[299], Ok(false));
    assert!(matches!(deleted[300], Err(Error::InvalidArgument { .. })), "{:?}", deleted[300]);
    assert!(deleted[301..].iter().all(|result| *result == Ok(false)), "{:?}", &deleted[301..]);
    let mut handles = HashSet::new();
    while handles.len() < 299 {
        let message = tokio::time::timeout(crate::common::LONG, watch.next()).await.unwrap().unwrap().unwrap();
        if let WatchMessage::Event(event) = message {
            assert!(handles.insert(event.session.handle), "one end is told twice");
        }
    }
    server.kill();
    server.restart();
    let client = server.client();
    let found = client.batch_get(BatchGetSessionsRequest::new(ids)).await.unwrap();
    assert!(found.iter().all(Result::is_err));
    assert_eq!(client.count(CountSessionsRequest::new()).await, Ok(1));
    assert!(client.get(&kept.session_id).await.is_ok());
    assert!(server.client_in("other").get(&elsewhere).await.is_ok());
}
