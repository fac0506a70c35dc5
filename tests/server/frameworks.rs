//! Tests of what frameworks need beyond the plain calls: sessions with a life before they are stored, locks that a save
//! renews or releases, reads without data, sessions by handle, values that only one language can read, and resume
//! tokens.

use crate::common::{Server, assert_blamed, millis, now, reason};
use sessiond_client::proto::{
    CreateSessionRequest, EventKind, GetSessionRequest, ListSessionsRequest, LockSessionRequest, SessionChange,
    Timeouts, UpdateSessionRequest, Value, WatchSessionsRequest,
};
use sessiond_client::{Client, Error, Timestamp, WatchMessage};
use std::time::Duration;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn moment(millis: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(millis / 1_000).unwrap(),
        nanos: i32::try_from(millis % 1_000 * 1_000_000).unwrap(),
    }
}

fn lasting(idle: Duration) -> CreateSessionRequest {
    CreateSessionRequest::new().timeouts(Timeouts::new().idle(idle))
}

async fn create(client: &Client) -> String {
    client.create(CreateSessionRequest::new().attribute("n", 1)).await.unwrap().session_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_the_life_that_it_had_before() {
    let mut server = Server::start();
    let begun = now();
    let (created, accessed) = (begun - 2 * HOUR, begun - HOUR);
    let new = CreateSessionRequest::new()
        .timeouts(Timeouts::new().idle(SECOND * 86_400).absolute(SECOND * 7_200 * 2))
        .create_time(moment(created))
        .last_access_time(moment(accessed));
    let moved = server.client().create(new).await.unwrap();
    for again in [false, true] {
        if again {
            server.kill();
            server.restart();
        }
        let session = server.client().get(GetSessionRequest::new(&moved.session_id).peek()).await.unwrap().session;
        assert_eq!((millis(session.create_time), millis(session.last_access_time)), (created, accessed));
        assert!(millis(session.update_time) >= begun);
        assert_eq!(millis(session.absolute_expire_time), created + 4 * HOUR, "it counts from the creation");
        assert_eq!(millis(session.expire_time), created + 4 * HOUR);
    }
    // A moment in the future counts as now, and an access before the creation counts as the creation.
    let ahead = CreateSessionRequest::new().create_time(moment(begun + DAY)).last_access_time(moment(begun + DAY));
    let ahead = server.client().create(ahead).await.unwrap().session;
    assert!((begun..=now()).contains(&millis(ahead.create_time)));
    assert!((begun..=now()).contains(&millis(ahead.last_access_time)));
    let early = CreateSessionRequest::new().create_time(moment(created)).last_access_time(moment(created - HOUR));
    let early = server.client().create(early).await.unwrap().session;
    assert_eq!(millis(early.last_access_time), created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_is_over_or_no_moment_at_all_is_refused() {
    let server = Server::start();
    let mut stub = server.stub();
    let minute = 60 * SECOND;
    let nonsense = Timestamp { seconds: -1, nanos: 0 };
    for (field, request) in [
        ("last_access_time", lasting(minute).create_time(moment(now() - HOUR)).last_access_time(moment(now() - HOUR))),
        (
            "create_time",
            CreateSessionRequest::new().timeouts(Timeouts::new().absolute(minute)).create_time(moment(now() - HOUR)),
        ),
        ("create_time", lasting(minute).create_time(moment(now() - 3_661 * DAY))),
        ("create_time", lasting(minute).create_time(nonsense)),
        ("last_access_time", lasting(minute).last_access_time(nonsense)),
    ] {
        let request = request.session_id("an-id-of-a-framework");
        let status = stub.create_session(request).await.unwrap_err();
        assert_blamed(&status, field, "an-id-of-a-framework");
    }
    assert_eq!(server.client().statistics().await.unwrap().sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_can_leave_the_attributes_out() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let read = client.get(GetSessionRequest::new(&id).peek().omit_attributes()).await.unwrap();
    assert_eq!((read.session.version, read.session.attributes.len()), (1, 0));
    assert_eq!(client.get(&id).await.unwrap().session.attributes["n"], Value::from(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_renewed_and_read_under_and_released_by_the_save() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let lock = client.lock(LockSessionRequest::new(&id).lease(10 * SECOND).include_session()).await.unwrap();
    assert_eq!(lock.session.unwrap().attributes["n"], Value::from(1));

    let renewed = client.lock(LockSessionRequest::new(&id).lease(60 * SECOND).renew(&lock.lock_token)).await.unwrap();
    assert_eq!((renewed.lock_token.as_str(), renewed.session), (lock.lock_token.as_str(), None));
    assert!(millis(Some(renewed.expire_time)) > millis(Some(lock.expire_time)) + 40_000);
    match client.lock(LockSessionRequest::new(&id)).await {
        Err(Error::LockHeld { held_for: Some(held_for), ends_in: Some(ends_in) }) => {
            assert!(
                held_for < 10 * SECOND && ends_in > 40 * SECOND && ends_in <= 60 * SECOND,
                "{held_for:?} {ends_in:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    let save = |n: i64| UpdateSessionRequest::new(&id, SessionChange::new().set("n", n)).unlock(&lock.lock_token);
    client.update_with(save(2)).await.unwrap();
    assert_eq!(client.update_with(save(3)).await.map(drop), Err(Error::LockLost));
    let renewal = LockSessionRequest::new(&id).renew(&lock.lock_token);
    assert_eq!(client.lock(renewal).await, Err(Error::LockLost));
    assert!(client.lock(LockSessionRequest::new(&id)).await.is_ok(), "the save released it");
    assert_eq!(client.get(&id).await.unwrap().session.attributes["n"], Value::from(2));

    let mut stub = server.stub();
    let unlock = UpdateSessionRequest { unlock: true, ..UpdateSessionRequest::new(&id, SessionChange::new()) };
    assert_blamed(&stub.update_session(unlock).await.unwrap_err(), "unlock", &id);
    let wait = LockSessionRequest::new(&id).renew(&lock.lock_token).wait(SECOND);
    assert_blamed(&stub.lock_session(wait).await.unwrap_err(), "wait", &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_save_keeps_the_lock() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let lock = client.lock(LockSessionRequest::new(&id)).await.unwrap();
    let save = UpdateSessionRequest::new(&id, SessionChange::new().set("n", 2)).if_version(7).unlock(&lock.lock_token);
    assert_eq!(client.update_with(save).await.map(drop), Err(Error::VersionMismatch { current: Some(1) }));
    assert!(client.lock(LockSessionRequest::new(&id).renew(&lock.lock_token)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_by_handle() {
    let server = Server::start_with(&["--max-message-size", "4MiB", "--max-session-size", "1MiB"]);
    let client = server.client();
    let mut made = Vec::new();
    for n in 0..12_i64 {
        let blob = vec![0_u8; 900 << 10];
        let new = CreateSessionRequest::new().attribute("n", n).attribute("blob", blob);
        made.push(client.create(new).await.unwrap());
    }
    client.delete(&made[3].session_id).await.unwrap();
    let elsewhere = server.client_in("other").create(CreateSessionRequest::new()).await.unwrap();
    let mut asked: Vec<String> = made.iter().map(|created| created.session.handle.clone()).collect();
    asked.extend([asked[0].clone(), elsewhere.session.handle, "0198c0de-0000-7000-8000-000000000000".to_owned()]);

    let basic = client.list(ListSessionsRequest::new().handles(asked.clone())).await.unwrap();
    let mut expected: Vec<String> = asked[..12].to_vec();
    expected.remove(3);
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let listed: Vec<String> = basic.sessions.iter().map(|session| session.handle.clone()).collect();
    assert_eq!((listed, basic.next_page_token), (expected.clone(), None));
    assert!(basic.sessions.iter().all(|session| session.attributes.is_empty()));

    // Sessions that don't fit into one answer come with the next one.
    let mut full = client.list_all(ListSessionsRequest::new().handles(asked.clone()).full());
    let mut listed = Vec::new();
    while let Some(session) = full.next().await {
        let session = session.unwrap();
        assert_eq!(session.attributes.len(), 2);
        listed.push(session.handle);
    }
    assert_eq!(listed, expected);

    let mut stub = server.stub();
    let refused = ListSessionsRequest::new().handles(asked.clone()).principal("ada");
    assert_blamed(&stub.list_sessions(refused).await.unwrap_err(), "handles", "");
    let refused = ListSessionsRequest::new().handles(["no-handle"]);
    assert_blamed(&stub.list_sessions(refused).await.unwrap_err(), "handles[0]", "");
    let refused = ListSessionsRequest::new().handles(vec![asked[0].clone(); 1_001]);
    assert_blamed(&stub.list_sessions(refused).await.unwrap_err(), "handles", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_value_comes_back_under_its_name() {
    let mut server = Server::start();
    let client = server.client();
    let gob = Value::opaque("go-gob", vec![0, 255, 1]);
    let new = CreateSessionRequest::new().attribute("gob", gob.clone());
    let id = client.create(new.attribute("list", Value::list([gob.clone()]))).await.unwrap().session_id;
    server.kill();
    server.restart();
    let attributes = server.client().get(&id).await.unwrap().session.attributes;
    assert_eq!(
        attributes["gob"].as_opaque().map(|(encoding, data)| (encoding, &data[..])),
        Some(("go-gob", &[0, 255, 1][..]))
    );
    assert_eq!(attributes["list"], Value::list([gob]));
    for encoding in ["", "Go gob", &"g".repeat(65)] {
        let new = CreateSessionRequest::new().attribute("gob", Value::opaque(encoding, vec![1]));
        let status = server.stub().create_session(new).await.unwrap_err();
        assert_blamed(&status, "attributes[\"gob\"]", "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_token_is_opaque_bounded_and_true() {
    let mut server = Server::start();
    for refused in ["1041", "AQ", &"A".repeat(2_000), "\u{e4}"] {
        let status = server.stub().watch_sessions(WatchSessionsRequest::new().resume(refused)).await.unwrap_err();
        assert_blamed(&status, "resume_token", "");
    }
    // The token in the statistics is the point at which a new watcher begins, even after a crash.
    for _ in 0..3 {
        let client = server.client();
        let statistics = client.statistics().await.unwrap();
        let watch = client.watch(WatchSessionsRequest::new()).await.unwrap();
        assert_eq!(watch.resume_token(), statistics.resume_token);
        assert!(statistics.resume_token.len() <= 1_024);
        let mut watch = client.watch(WatchSessionsRequest::new().resume(&statistics.resume_token)).await.unwrap();
        let handle = client.create(CreateSessionRequest::new()).await.unwrap().session.handle;
        let told = loop {
            match watch.next().await.unwrap().unwrap() {
                WatchMessage::Event(event) => break event,
                WatchMessage::Checkpoint(_) => {}
            }
        };
        assert_eq!((told.kind, told.session.handle), (EventKind::Created, handle));
        assert_ne!(told.resume_token, statistics.resume_token);
        server.kill();
        server.restart();
    }
    // The server does not know the point of another server's token.
    let far = server.client().statistics().await.unwrap().resume_token;
    let other = Server::start();
    let status = other.stub().watch_sessions(WatchSessionsRequest::new().resume(far)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "EVENTS_GONE"));
}
