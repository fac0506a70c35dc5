//! Tests of what watchers get: each event once, with its session, if they asked for it.

use crate::common::tokens::{sequence_in, token_of};
use crate::common::{LONG, Server, after, eventually, millis, now};
use crate::events::watching::{collect, lively};
use sessiond_client::proto::watch_sessions_response::Message;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, EventKind, RevokeSessionsRequest, RotateSessionRequest, SessionChange,
    Timeouts, Value,
};
use sessiond_client::{Client, Event};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Makes calls that lead to at least one event of each kind. Returns the expected events: their kinds and handles.
async fn do_one_of_each(client: &Client) -> Vec<(EventKind, String)> {
    let new = || CreateSessionRequest::new().attribute("theme", "dark").label("device", "x").principal("ada");
    let short = Timeouts::new().idle(Duration::from_millis(50));
    let mut expected = Vec::new();
    let created = client.create(new()).await.unwrap();
    let handle = created.session.handle;
    expected.push((EventKind::Created, handle.clone()));
    client.get(&created.session_id).await.unwrap();
    client.touch(&created.session_id).await.unwrap();
    client.update(&created.session_id, SessionChange::new()).await.unwrap();
    client.update(&created.session_id, SessionChange::new().set_principal("bob")).await.unwrap();
    expected.push((EventKind::Updated, handle.clone()));
    let rotation = RotateSessionRequest::new(&created.session_id).change(SessionChange::new().set("n", 1));
    let id = client.rotate(rotation).await.unwrap().session_id;
    expected.push((EventKind::Rotated, handle.clone()));
    client.update(&created.session_id, SessionChange::new()).await.unwrap_err();
    client.delete(&id).await.unwrap();
    expected.push((EventKind::Deleted, handle));
    client.delete(DeleteSessionRequest::by_id(&id).allow_missing()).await.unwrap();
    let revoked = client.create(new()).await.unwrap().session.handle;
    client.revoke(RevokeSessionsRequest::by_handles([&revoked])).await.unwrap();
    expected.extend([(EventKind::Created, revoked.clone()), (EventKind::Revoked, revoked)]);
    let expired = client.create(new().timeouts(short)).await.unwrap().session;
    after(millis(expired.expire_time)).await;
    eventually("the session is swept", async || client.sweep_now().await.unwrap() == 1).await;
    expected.extend([(EventKind::Created, expired.handle.clone()), (EventKind::Expired, expired.handle)]);
    expected
}

fn told(events: &[Event]) -> Vec<(EventKind, String)> {
    events.iter().map(|event| (event.kind, event.session.handle.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_once_with_its_session() {
    let config = "sweep-interval = \"10m\"\n[namespaces.keeping]\nevent-attributes = true";
    let server = Server::start_configured(config, &[]);
    for (namespace, keeps) in [("default", false), ("keeping", true)] {
        let client = server.client_in(namespace);
        let before = now();
        let mut plain = client.watch(lively()).await.unwrap();
        let mut asking = client.watch(lively().include_attributes()).await.unwrap();
        let expected = do_one_of_each(&client).await;
        let (events, asked) = (collect(&client, &mut plain).await, collect(&client, &mut asking).await);
        let after = now();
        assert_eq!(told(&events), expected);
        assert!(events.windows(2).all(|two| sequence_in(&two[0].resume_token) < sequence_in(&two[1].resume_token)));
        for (event, asked) in events.iter().zip(&asked) {
            let session = &event.session;
            assert_eq!(session.namespace, namespace);
            assert_eq!(session.labels["device"], "x");
            let moment = millis(Some(event.event_time));
            assert!((before..=after).contains(&moment));
            assert!(session.attributes.is_empty(), "{event:?}");
            let ends = matches!(event.kind, EventKind::Deleted | EventKind::Revoked | EventKind::Expired);
            assert_eq!(asked.session.attributes.is_empty(), !(ends && keeps), "{asked:?}");
            assert_eq!(
                (sequence_in(&asked.resume_token), asked.kind, &asked.session.handle),
                (sequence_in(&event.resume_token), event.kind, &session.handle)
            );
        }
        assert_eq!(asked.len(), events.len());
        let states: Vec<_> = events[..4].iter().map(|e| (e.session.version, e.session.principal.as_str())).collect();
        assert_eq!(states, [(1, "ada"), (2, "bob"), (3, "bob"), (3, "bob")]);
        if keeps {
            let last = &asked[3].session.attributes;
            assert_eq!((last.len(), &last["theme"], &last["n"]), (2, &Value::from("dark"), &Value::from(1)));
        }
        assert!(millis(Some(events[7].event_time)) >= millis(events[7].session.expire_time));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_through_what_they_name() {
    let server = Server::start_with(&["--sweep-interval", "10m"]);
    let (client, other) = (server.client(), server.client_in("other"));
    let mut watches = Vec::new();
    let requests = [
        lively(),
        lively().all_namespaces(),
        lively().principal("bob"),
        lively().kind(EventKind::Deleted).kind(EventKind::Expired),
        lively().all_namespaces().principal("ada").kind(EventKind::Created),
        lively().principal("nobody"),
    ];
    for request in &requests {
        watches.push(client.watch(request.clone()).await.unwrap());
    }
    let start = sequence_in(watches[0].resume_token());
    let (here, there) = (do_one_of_each(&client).await, do_one_of_each(&other).await);
    let both = [here.clone(), there.clone()].concat();
    let only = |events: &[(EventKind, String)], kinds: &[EventKind]| -> Vec<(EventKind, String)> {
        events.iter().filter(|(kind, _)| kinds.contains(kind)).cloned().collect()
    };
    let expected = [
        here.clone(),
        both.clone(),
        here[1..4].to_vec(),
        only(&here, &[EventKind::Deleted, EventKind::Expired]),
        only(&both, &[EventKind::Created]),
        vec![],
    ];
    for ((watch, request), expected) in watches.iter_mut().zip(&requests).zip(&expected) {
        assert_eq!(told(&collect(&client, watch).await), *expected, "{request:?}");
        // The history holds the same events.
        let mut late = client.watch(request.clone().resume(token_of(start))).await.unwrap();
        assert_eq!(sequence_in(late.resume_token()), start);
        assert_eq!(told(&collect(&client, &mut late).await), *expected, "{request:?}");
    }
    let mut watch = client.watch(lively()).await.unwrap();
    assert_eq!(collect(&client, &mut watch).await, [], "without a place to resume it begins now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_a_checkpoint_and_shows_that_it_lives() {
    let server = Server::start();
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    let newest = sequence_in(&server.client().statistics().await.unwrap().resume_token);
    let mut stub = server.stub();
    for (request, begins) in [(lively(), newest), (lively().resume(token_of(0)), 0)] {
        let start = Instant::now();
        let mut stream = stub.watch_sessions(request).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap().message.unwrap();
        assert!(
            matches!(&first, Message::Checkpoint(first) if sequence_in(&first.resume_token) == begins),
            "{first:?}"
        );
        let (mut checkpoints, mut events) = (0, 0);
        while checkpoints < 5 {
            match timeout(LONG, stream.message()).await.unwrap().unwrap().unwrap().message.unwrap() {
                Message::Checkpoint(checkpoint) => {
                    assert_eq!(sequence_in(&checkpoint.resume_token), newest);
                    checkpoints += 1;
                }
                Message::Event(event) => {
                    assert_eq!((sequence_in(&event.resume_token), checkpoints), (newest, 0));
                    events += 1;
                }
            }
        }
        assert_eq!(events, usize::from(begins == 0));
        let took = start.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(30)).contains(&took), "{took:?}");
    }
}
