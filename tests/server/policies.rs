//! Tests of the policies of namespaces from a file: defaults, maxima, and the limit of sessions per principal.

use crate::common::tokens::token_of;
use crate::common::{LONG, Server, after, eventually, millis, now};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, EventKind, GetSessionRequest, RotateSessionRequest, Session,
    SessionChange, Timeouts, UpdateSessionRequest, WatchSessionsRequest,
};
use sessiond_client::{Client, Error, Timestamp, WatchMessage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// The idle timeout and the time from creation to the absolute end, checked against the end that the answer shows.
#[track_caller]
fn timeouts(session: &Session) -> (u64, Option<u64>) {
    let idle = session.idle_timeout.unwrap();
    let idle = u64::try_from(idle.seconds).unwrap() * 1_000 + u64::try_from(idle.nanos).unwrap() / 1_000_000;
    let ends_at = session.absolute_expire_time.map(|end| millis(Some(end)));
    let idle_end = millis(session.last_access_time) + idle;
    assert_eq!(millis(session.expire_time), ends_at.map_or(idle_end, |end| end.min(idle_end)), "{session:?}");
    (idle, ends_at.map(|end| end - millis(session.create_time)))
}

async fn peek(client: &Client, id: &str) -> Result<Session, Error> {
    client.get(GetSessionRequest::new(id).peek()).await.map(|read| read.session)
}

async fn count(client: &Client, principal: &str) -> u64 {
    client.count(CountSessionsRequest::new().principal(principal)).await.unwrap()
}

async fn log_in(client: &Client, principal: &str) -> Result<String, Error> {
    let new = CreateSessionRequest::new().principal(principal);
    client.create(new).await.map(|created| created.session_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_follow_the_namespace() {
    let config = r#"
        idle-timeout = "3h"
        max-idle-timeout = "4h"
        [namespaces.shop]
        idle-timeout = "10m"
        absolute-timeout = "60m"
        max-idle-timeout = "20m"
        max-absolute-timeout = "2h"
        [namespaces.blog]
        max-absolute-timeout = "30m"
    "#;
    let server = Server::start_configured(config, &[]);
    let nothing = Timeouts::new;
    let cases = [
        ("default", nothing(), (3 * HOUR, None)),
        ("default", nothing().idle(minutes(600)), (4 * HOUR, None)),
        ("default", nothing().absolute(minutes(600)), (3 * HOUR, Some(10 * HOUR))),
        ("shop", nothing(), (10 * MINUTE, Some(HOUR))),
        ("shop", nothing().idle(minutes(15)), (15 * MINUTE, Some(HOUR))),
        ("shop", nothing().idle(minutes(25)), (20 * MINUTE, Some(HOUR))),
        ("shop", nothing().absolute(minutes(90)), (10 * MINUTE, Some(90 * MINUTE))),
        ("shop", nothing().absolute(minutes(600)), (10 * MINUTE, Some(2 * HOUR))),
        ("shop", nothing().idle(minutes(600)).absolute(minutes(5)), (20 * MINUTE, Some(5 * MINUTE))),
        ("blog", nothing(), (3 * HOUR, Some(30 * MINUTE))),
        ("blog", nothing().idle(minutes(999)).absolute(minutes(999)), (4 * HOUR, Some(30 * MINUTE))),
    ];
    for (namespace, asked, expected) in cases {
        let client = server.client_in(namespace);
        let created = client.create(CreateSessionRequest::new().timeouts(asked)).await.unwrap();
        assert_eq!(timeouts(&created.session), expected, "{namespace}: {asked:?}");
        let read = peek(&client, &created.session_id).await.unwrap();
        assert_eq!(timeouts(&read), expected, "{namespace}: {asked:?}");
        // The same holds for a later update.
        let later = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
        let updated = client.update(&later, SessionChange::new().set_timeouts(asked)).await.unwrap();
        assert_eq!(timeouts(&updated.session), expected, "{namespace}, updated: {asked:?}");
        let touched = client.touch(&later).await.unwrap();
        let read = peek(&client, &later).await.unwrap();
        assert_eq!(touched.expire_time, read.expire_time.unwrap());
        assert_eq!(timeouts(&read), expected);
        let upsert = UpdateSessionRequest::new(format!("{later}-upsert"), SessionChange::new().set_timeouts(asked));
        let upserted = client.update_with(upsert.upsert()).await.unwrap();
        assert_eq!(timeouts(&upserted.session), expected, "{namespace}, upserted: {asked:?}");
    }
    // A moment is clamped, too.
    let shop = server.client_in("shop");
    let moment = Timestamp { seconds: i64::try_from(now() / 1_000).unwrap() + 300 * 60, nanos: 0 };
    let new = CreateSessionRequest::new().timeouts(nothing().expire_at(moment));
    assert_eq!(timeouts(&shop.create(new).await.unwrap().session), (10 * MINUTE, Some(2 * HOUR)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lowered_maximum_binds_the_sessions_that_are_there() {
    let mut server = Server::start_configured("", &["--sweep-interval", "100ms"]);
    let (shop, default) = (server.client_in("shop"), server.client());
    let new = || CreateSessionRequest::new().timeouts(Timeouts::new().idle(minutes(60)).absolute(minutes(600)));
    let bound = shop.create(new()).await.unwrap().session_id;
    let free = default.create(new()).await.unwrap().session_id;
    server.stop();
    server.configure(
        "[namespaces.shop]\nidle-timeout = \"5m\"\nmax-idle-timeout = \"5m\"\nmax-absolute-timeout = \"2h\"",
    );
    server.restart();
    let (shop, default) = (server.client_in("shop"), server.client());
    assert_eq!(timeouts(&peek(&shop, &bound).await.unwrap()), (5 * MINUTE, Some(2 * HOUR)));
    assert_eq!(timeouts(&peek(&default, &free).await.unwrap()), (HOUR, Some(10 * HOUR)));
    server.stop();

    // The limit is so low that the session has ended.
    server.configure("[namespaces.shop]\nidle-timeout = \"1ms\"\nmax-idle-timeout = \"1ms\"");
    server.restart();
    let (shop, default) = (server.client_in("shop"), server.client());
    assert_eq!(shop.get(&bound).await, Err(Error::SessionNotFound));
    assert_eq!(shop.touch(&bound).await, Err(Error::SessionNotFound));
    assert_eq!((count(&shop, "").await, count(&default, "").await), (0, 1));
    server.stop();

    // Nobody has touched the session, so the timeout that it asked for counts again.
    server.configure("");
    server.restart();
    let shop = server.client_in("shop");
    if let Ok(session) = peek(&shop, &bound).await {
        assert_eq!(timeouts(&session), (HOUR, Some(10 * HOUR)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lowered_maximum_ends_is_swept() {
    let mut server = Server::start_configured("", &["--sweep-interval", "100ms"]);
    server.client_in("shop").create(CreateSessionRequest::new()).await.unwrap();
    server.stop();
    server.configure("[namespaces.shop]\nidle-timeout = \"1ms\"\nmax-idle-timeout = \"1ms\"");
    server.restart();
    let client = server.client_in("shop");
    let request = WatchSessionsRequest::new().kind(EventKind::Expired).resume(token_of(0));
    let mut watch = client.watch(request).await.unwrap();
    let event = async {
        while let Some(Ok(message)) = watch.next().await {
            if let WatchMessage::Event(event) = message {
                return Some(event);
            }
        }
        None
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), event).await.is_ok_and(|event| event.is_some()));
    assert_eq!(client.statistics().await.unwrap().sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_follow_the_namespace() {
    let config = "max-session-size = \"64KiB\"\n[namespaces.shop]\nmax-session-size = \"2KiB\"\nmax-attributes = 2";
    let server = Server::start_configured(config, &[]);
    let (shop, default) = (server.client_in("shop"), server.client());
    let new = |bytes: usize| CreateSessionRequest::new().attribute("v", vec![0; bytes]);
    let id = shop.create(new(1_000)).await.unwrap().session_id;
    let refusals = [
        shop.create(new(3_000)).await.map(drop),
        shop.update(&id, SessionChange::new().set("w", vec![0; 1_500])).await.map(drop),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::SessionTooLarge { limit: Some(2_048), .. }), "{refused:?}");
    }
    let three = SessionChange::new().set("w", 1).set("x", 1);
    let refused = shop.update(&id, three.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::SessionTooLarge { limit: Some(2), actual: Some(3), .. }), "{refused:?}");
    let id = default.create(new(60_000)).await.unwrap().session_id;
    default.update(&id, three).await.unwrap();
    let refused = default.create(new(70_000)).await.unwrap_err();
    assert!(matches!(refused, Error::SessionTooLarge { limit: Some(65_536), .. }), "{refused:?}");
}

const LIMITS: &str = r#"
    [namespaces.strict]
    max-sessions-per-principal = 3
    [namespaces.rolling]
    max-sessions-per-principal = 3
    at-session-limit = "end-oldest"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_principal_gets_no_more_sessions() {
    let server = Server::start_configured(LIMITS, &["--sweep-interval", "10m"]);
    let (strict, default) = (server.client_in("strict"), server.client());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(log_in(&strict, "ada").await.unwrap());
    }
    let anonymous = log_in(&strict, "").await.unwrap();
    let other = log_in(&strict, "bob").await.unwrap();
    let become_ada = || SessionChange::new().set_principal("ada");
    let full = Err(Error::SessionLimitReached);
    assert_eq!(log_in(&strict, "ada").await, full);
    let rotation = RotateSessionRequest::new(&anonymous).change(become_ada());
    assert_eq!(strict.rotate(rotation.clone()).await.map(|rotated| rotated.session_id), full);
    assert_eq!(strict.update(&other, become_ada()).await.map(drop).unwrap_err(), Error::SessionLimitReached);
    let upsert = UpdateSessionRequest::new("an-upserted-session", become_ada()).upsert();
    assert_eq!(strict.update_with(upsert).await.map(drop).unwrap_err(), Error::SessionLimitReached);
    // The refused calls did nothing. Existing sessions can change, even by naming their principal again.
    assert_eq!(peek(&strict, &anonymous).await.unwrap().principal, "");
    assert_eq!(peek(&strict, &other).await.unwrap().principal, "bob");
    strict.update(&ids[0], become_ada().set("n", 1)).await.unwrap();
    let again = RotateSessionRequest::new(&ids[0]).change(become_ada());
    ids[0] = strict.rotate(again).await.unwrap().session_id;
    assert_eq!(count(&strict, "ada").await, 3);
    // An end makes room: a deletion, a change of the principal, or an expiry before any sweep.
    strict.delete(&ids[0]).await.unwrap();
    strict.rotate(rotation).await.unwrap();
    assert_eq!(log_in(&strict, "ada").await, full);
    strict.update(&ids[1], SessionChange::new().set_principal("")).await.unwrap();
    let short = Timeouts::new().absolute(Duration::from_millis(300));
    let brief = strict.create(CreateSessionRequest::new().principal("ada").timeouts(short)).await.unwrap();
    if now() < millis(brief.session.expire_time) {
        let refused = log_in(&strict, "ada").await;
        assert!(refused == full || now() >= millis(brief.session.expire_time), "{refused:?}");
    }
    after(millis(brief.session.expire_time)).await;
    log_in(&strict, "ada").await.ok();
    assert_eq!(count(&strict, "ada").await, 3);
    // Sessions without a principal are not limited, and other namespaces have no limit.
    for _ in 0..5 {
        log_in(&strict, "").await.unwrap();
        log_in(&default, "ada").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_sessions_make_room() {
    let server = Server::start_configured(LIMITS, &[]);
    let rolling = server.client_in("rolling");
    let mut watch = rolling.watch(WatchSessionsRequest::new().kind(EventKind::Revoked)).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..6 {
        let created = rolling.create(CreateSessionRequest::new().principal("ada")).await.unwrap();
        after(millis(created.session.create_time)).await;
        sessions.push(created);
    }
    for (number, created) in sessions.iter().enumerate() {
        assert_eq!(rolling.get(&created.session_id).await.is_ok(), number >= 3, "{number}");
    }
    // A login that rotates an existing session into the principal's list ends the oldest one, too.
    let old = rolling.create(CreateSessionRequest::new().principal("bob")).await.unwrap();
    let rotation = RotateSessionRequest::new(&old.session_id).change(SessionChange::new().set_principal("ada"));
    let old = rolling.rotate(rotation).await.unwrap();
    assert!(rolling.get(&old.session_id).await.is_ok());
    assert_eq!(rolling.get(&sessions[3].session_id).await, Err(Error::SessionNotFound));
    assert_eq!(count(&rolling, "ada").await, 3);
    for ended in &sessions[..4] {
        let message = tokio::time::timeout(LONG, watch.next()).await.unwrap().unwrap().unwrap();
        let WatchMessage::Event(event) = message else { continue };
        assert_eq!((event.kind, &event.session.handle), (EventKind::Revoked, &ended.session.handle));
    }
}

/// Logs one principal in thirty-two times at once. Returns the IDs of the logins that succeeded.
async fn rush(server: &Server, namespace: &str, principal: &str) -> Vec<String> {
    let together = Arc::new(Barrier::new(32));
    let mut log_ins = JoinSet::new();
    for number in 0..32 {
        let (client, together, principal) = (server.client_in(namespace), Arc::clone(&together), principal.to_owned());
        log_ins.spawn(async move {
            let anonymous = log_in(&client, "").await.unwrap();
            together.wait().await;
            if number % 2 == 0 {
                log_in(&client, &principal).await
            } else {
                let change = SessionChange::new().set_principal(principal);
                let rotated = client.rotate(RotateSessionRequest::new(anonymous).change(change)).await;
                rotated.map(|rotated| rotated.session_id)
            }
        });
    }
    let mut won = Vec::new();
    for result in log_ins.join_all().await {
        match result {
            Ok(id) => won.push(id),
            Err(error) => assert_eq!(error, Error::SessionLimitReached),
        }
    }
    won
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_exact_in_a_rush() {
    let server = Server::start_configured(LIMITS, &[]);
    let (strict, rolling) = (server.client_in("strict"), server.client_in("rolling"));
    for round in 0..6 {
        let principal = format!("user-{round}");
        // Some rounds begin with a full principal, some with an empty one.
        let before = if round % 2 == 0 { 0 } else { 2 };
        for _ in 0..before {
            log_in(&strict, &principal).await.unwrap();
            log_in(&rolling, &principal).await.unwrap();
        }
        let won = rush(&server, "strict", &principal).await;
        assert_eq!(won.len(), 3 - before, "round {round}");
        assert_eq!(count(&strict, &principal).await, 3, "round {round}");
        for id in &won {
            assert_eq!(peek(&strict, id).await.unwrap().principal, principal);
        }

        let won = rush(&server, "rolling", &principal).await;
        assert_eq!(won.len(), 32, "round {round}");
        assert_eq!(count(&rolling, &principal).await, 3, "round {round}");
        let mut live = HashSet::new();
        for id in &won {
            if let Ok(session) = peek(&rolling, id).await {
                live.insert(session.handle);
            }
        }
        assert_eq!(live.len(), 3, "round {round}: the last to come are there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn touches_are_as_fine_as_the_namespace_says() {
    let config = "[namespaces.coarse]\ntouch-granularity = \"1h\"\n[namespaces.fine]\ntouch-granularity = \"200ms\"";
    let server = Server::start_configured(config, &[]);
    for (namespace, granularity) in [("coarse", HOUR), ("fine", 200), ("default", 0)] {
        let client = server.client_in(namespace);
        let created = client.create(CreateSessionRequest::new()).await.unwrap();
        let made = millis(created.session.last_access_time);
        let mut last = made;
        for _ in 0..30 {
            after(now() + 3).await;
            let before = now();
            client.touch(&created.session_id).await.unwrap();
            let accessed = millis(peek(&client, &created.session_id).await.unwrap().last_access_time);
            if accessed == last {
                assert!(before <= last + granularity, "{namespace}: a touch was lost");
            } else {
                assert!(accessed > last + granularity, "{namespace}: {accessed} follows {last}");
                last = accessed;
            }
        }
        assert_eq!(last == made, namespace == "coarse", "{namespace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_of_a_rotation_is_clamped() {
    let config = "[namespaces.short]\nmax-rotation-grace = \"1s\"\n[namespaces.none]\nmax-rotation-grace = \"0s\"";
    let server = Server::start_configured(config, &[]);
    let (short, none, default) = (server.client_in("short"), server.client_in("none"), server.client());
    let grace = Duration::from_secs(60);
    let mut old = Vec::new();
    let began = Instant::now();
    for client in [&short, &none, &default] {
        let id = log_in(client, "").await.unwrap();
        client.rotate(RotateSessionRequest::new(&id).grace(grace)).await.unwrap();
        old.push(id);
    }
    assert_eq!(peek(&none, &old[1]).await, Err(Error::SessionNotFound));
    let at_first = peek(&short, &old[0]).await;
    assert!(at_first.is_ok() || began.elapsed() >= Duration::from_secs(1), "{at_first:?}");
    eventually("the short grace ends", async || peek(&short, &old[0]).await.is_err()).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "the grace was cut short");
    if began.elapsed() < Duration::from_secs(50) {
        assert!(peek(&default, &old[2]).await.is_ok(), "the clamp of one namespace binds another");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_has_no_more_sessions_than_it_may() {
    let config = "
    sweep-interval = \"100ms\"
    [namespaces.small]
    max-sessions = 20";
    for engine in ["sled", "memory"] {
        let server = Server::start_configured(config, &["--engine", engine]);
        let small = server.client_in("small");
        // In a rush: the limit is exact, since transactions run one after the other.
        let mut rush = JoinSet::new();
        for _ in 0..60 {
            let client = small.clone();
            rush.spawn(async move { client.create(CreateSessionRequest::new()).await });
        }
        let made: Vec<_> = rush.join_all().await;
        let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (20, 40));
        assert!(refused.iter().all(|refused| matches!(refused, Err(Error::SessionLimitReached))), "{refused:?}");
        assert_eq!(count(&small, "").await, 20);

        // What is there can be changed, and another takes the place of one that ends.
        let id = &made[0].as_ref().unwrap().session_id;
        small.update(id, SessionChange::new().set("n", 1)).await.unwrap();
        let id = small.rotate(RotateSessionRequest::new(id)).await.unwrap().session_id;
        small.delete(&id).await.unwrap();
        let brief = Timeouts::new().idle(Duration::from_millis(1));
        small.create(CreateSessionRequest::new().timeouts(brief)).await.unwrap();
        eventually("one that has expired makes room", async || small.create(CreateSessionRequest::new()).await.is_ok())
            .await;
        server.client().create(CreateSessionRequest::new()).await.unwrap();
    }
}
