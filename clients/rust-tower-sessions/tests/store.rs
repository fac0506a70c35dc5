//! What the store promises, with a real server.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sessiond_client::proto::{CountSessionsRequest, CreateSessionRequest, SessionChange, Value};
use sessiond_client::{Client, mapped_id};
use sessiond_testing::Server;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::ExpiredDeletion;
use tower_sessions::{Expiry, Session, SessionStore};
use tower_sessions_sessiond_store::SessiondStore;

fn record(data: impl IntoIterator<Item = (&'static str, Json)>) -> Record {
    let data: HashMap<_, _> = data.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::now_utc() + time::Duration::hours(1) }
}

async fn created(store: &SessiondStore, data: impl IntoIterator<Item = (&'static str, Json)>) -> Record {
    let mut record = record(data);
    store.create(&mut record).await.unwrap();
    record
}

/// The session as other languages see it.
async fn attributes(client: &Client, id: Id) -> Vec<(String, Value)> {
    client.get(id.to_string()).await.unwrap().session.attributes.into_iter().collect()
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_stored() {
    let server = Server::start();
    let store = SessiondStore::new(server.client());
    let record =
        created(&store, [("n", json!(1)), ("f", json!(1.0)), ("map", json!({"a": [null, "b", {"$x": u64::MAX}]}))])
            .await;
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record.clone()));
    store.delete(&record.id).await.unwrap();
    store.delete(&record.id).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn other_languages_read_what_is_stored_and_the_reverse() {
    let server = Server::start();
    let client = server.client();
    let store = SessiondStore::new(client.clone());
    let record = created(&store, [("n", json!(1)), ("f", json!(1.0)), ("list", json!(["a", true]))]).await;
    let list = Value::list([Value::from("a"), true.into()]);
    let expected = [("f".to_owned(), 1.0.into()), ("list".to_owned(), list), ("n".to_owned(), 1.into())];
    assert_eq!(attributes(&client, record.id).await, expected);

    let bytes = SessionChange::new().set("bytes", vec![0, 1]).set("gob", Value::opaque("go-gob", vec![2]));
    client.update(record.id.to_string(), bytes).await.unwrap();
    let mut record = store.load(&record.id).await.unwrap().unwrap();
    assert_eq!(record.data["bytes"], json!({"$bytes": "AAE="}));
    record.data.insert("n".to_owned(), json!(2));
    store.save(&record).await.unwrap();
    let expected = [
        ("bytes".to_owned(), vec![0, 1].into()),
        expected[0].clone(),
        ("gob".to_owned(), Value::opaque("go-gob", vec![2])),
    ];
    assert_eq!(attributes(&client, record.id).await[..3], expected);
}

#[tokio::test]
async fn a_taken_id_is_replaced_and_its_session_stays() {
    let server = Server::start();
    let store = SessiondStore::new(server.client());
    let first = created(&store, [("whose", json!("first"))]).await;
    let mut second = Record { id: first.id, ..record([("whose", json!("second"))]) };
    store.create(&mut second).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_save_after_the_log_out_fails_and_revives_nothing() {
    let server = Server::start();
    let store = SessiondStore::new(server.client());
    let record = created(&store, [("a", json!(1))]).await;
    let mut loaded = store.load(&record.id).await.unwrap().unwrap();
    store.delete(&record.id).await.unwrap();
    loaded.data.insert("b".to_owned(), json!(2));
    let error = store.save(&loaded).await.unwrap_err().to_string();
    assert!(error.contains("nothing was saved") && !error.contains(&record.id.to_string()), "{error}");
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_that_set_different_keys_all_win() {
    let server = Server::start();
    let client = server.client();
    let store = Arc::new(SessiondStore::new(client.clone()));
    let record = created(&store, [("gone", json!(1))]).await;
    // Every request has loaded the session before the first one saves.
    let mut sessions = Vec::new();
    for _ in 0..64 {
        let session =
            Session::new(Some(record.id), Arc::clone(&store), Some(Expiry::OnInactivity(time::Duration::hours(1))));
        session.load().await.unwrap();
        sessions.push(session);
    }
    let requests = sessions.into_iter().enumerate().map(|(n, session)| {
        tokio::spawn(async move {
            session.insert(&format!("key-{n}"), n).await.unwrap();
            session.remove_value("gone").await.unwrap();
            session.save().await.unwrap();
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    let names: Vec<_> = attributes(&client, record.id).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 64, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("key-")), "{names:?}");
}

#[tokio::test]
async fn a_session_ends_at_its_millisecond_and_a_read_does_not_move_it() {
    let server = Server::start();
    let store = SessiondStore::new(server.client());
    let mut record = record([("a", json!(1))]);
    let end = OffsetDateTime::now_utc() + time::Duration::seconds(2);
    record.expiry_date = end;
    store.create(&mut record).await.unwrap();
    assert!((end - record.expiry_date).whole_microseconds() < 1_000);
    assert_eq!(store.load(&record.id).await.unwrap().unwrap().expiry_date, record.expiry_date);
    // The end is the condition that is awaited.
    while OffsetDateTime::now_utc() < end {
        if let Some(found) = store.load(&record.id).await.unwrap() {
            assert_eq!(found.expiry_date, record.expiry_date);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    store.delete_expired().await.unwrap();
}

#[tokio::test]
async fn an_end_in_the_past_ends_the_session() {
    let server = Server::start();
    let store = SessiondStore::new(server.client());
    let mut record = created(&store, [("a", json!(1))]).await;
    record.expiry_date = OffsetDateTime::now_utc() - time::Duration::seconds(1);
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    store.create(&mut record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_belongs_to_the_principal_that_its_key_names() {
    let server = Server::start();
    let client = server.client();
    let store = SessiondStore::new(client.clone()).with_principal_key("user");
    let mut record = created(&store, [("user", json!(42))]).await;
    let count = async |name: &str| client.count(CountSessionsRequest::new().principal(name)).await.unwrap();
    assert_eq!(count("42").await, 1);
    record.data.insert("other".to_owned(), json!(1));
    store.save(&record).await.unwrap();
    assert_eq!(count("42").await, 1);
    record.data.insert("user".to_owned(), json!("ada"));
    store.save(&record).await.unwrap();
    assert_eq!((count("42").await, count("ada").await), (0, 1));
    record.data.remove("user");
    store.save(&record).await.unwrap();
    assert_eq!(count("ada").await, 0);
}

#[tokio::test]
async fn ids_are_mapped_as_in_every_language() {
    let server = Server::start();
    let client = server.client();
    let store = SessiondStore::new(client.clone());
    let id = Id::default();
    let mapped = mapped_id(&id.to_string()).unwrap().into_owned();
    client.create(CreateSessionRequest::new().session_id(mapped).attribute("a", 1)).await.unwrap();
    assert_eq!(store.load(&id).await.unwrap().unwrap().data["a"], json!(1));
    let debug = format!("{store:?}");
    assert!(!debug.contains(&id.to_string()), "{debug}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_load_costs_errors_in_time_but_no_acknowledged_save() {
    const DEADLINE: Duration = Duration::from_secs(1);
    let mut server = Server::start();
    let store = SessiondStore::new(server.client_builder().deadline(DEADLINE).connect_lazy().unwrap());
    let record = created(&store, []).await;
    let (stops, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for task in 0..8 {
        let (store, mut record) = (store.clone(), record.clone());
        let (stops, acknowledged) = (Arc::clone(&stops), Arc::clone(&acknowledged));
        tasks.push(tokio::spawn(async move {
            let mut saved = 0;
            for n in 1_u64.. {
                if stops.load(SeqCst) {
                    break;
                }
                record.data.insert(format!("task-{task}"), json!(n));
                let start = Instant::now();
                match store.save(&record).await {
                    Ok(()) => {
                        saved = n;
                        acknowledged.fetch_add(1, SeqCst);
                    }
                    Err(error) => assert!(!error.to_string().contains("nothing was saved"), "{error}"),
                }
                assert!(start.elapsed() < DEADLINE + Duration::from_secs(2), "{:?}", start.elapsed());
            }
            saved
        }));
    }
    let goes_on = async || {
        let (start, wanted) = (Instant::now(), acknowledged.load(SeqCst) + 100);
        while acknowledged.load(SeqCst) < wanted {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not go on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for _ in 0..2 {
        goes_on().await;
        server.kill();
        server.restart();
    }
    goes_on().await;
    stops.store(true, SeqCst);
    for (task, running) in tasks.into_iter().enumerate() {
        let saved = running.await.unwrap();
        let stored = store.load(&record.id).await.unwrap().unwrap().data[&format!("task-{task}")].as_u64().unwrap();
        assert!(stored >= saved, "task {task}: {saved} was acknowledged, {stored} is stored");
    }
}
