//! Tests of bad input: each is refused with the right code, reason and field, without a word of the session ID, and
//! does no harm.

use crate::common::{Server, assert_blamed, assert_silent, reason};
use sessiond_client::proto::delete_session_request::Target;
use sessiond_client::proto::timeouts::Absolute;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange, Timeouts,
    TouchSessionRequest, UpdateSessionRequest, Value,
};
use sessiond_client::{Duration, Timestamp};
use tonic::{Code, Status};

const DAY: i64 = 24 * 60 * 60;

fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_judged_in_every_request() {
    let server = Server::start();
    let stub = server.stub();
    let bad = [
        String::new(),
        "a".repeat(15),
        "b".repeat(257),
        "non-ascii-identifiér-of-length".to_owned(),
        "with space inside the identifier".to_owned(),
        "with-a-line-break\n-inside-of-it".to_owned(),
        "with-a-null-byte\0-inside-of-it".to_owned(),
    ];
    for id in &bad {
        let mut stub = stub.clone();
        let status = stub.get_session(GetSessionRequest::new(id)).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        let status = stub.touch_session(TouchSessionRequest::new(id)).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        let status = stub.update_session(UpdateSessionRequest::new(id, SessionChange::new())).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        let status =
            stub.update_session(UpdateSessionRequest::new(id, SessionChange::new()).upsert()).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        let status = stub.rotate_session(RotateSessionRequest::new(id)).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        let status = stub.delete_session(DeleteSessionRequest::by_id(id).allow_missing()).await.unwrap_err();
        assert_blamed(&status, "session_id", id);
        // If the ID is optional, an empty ID means that it is left out.
        if !id.is_empty() {
            let status = stub.create_session(CreateSessionRequest::new().session_id(id)).await.unwrap_err();
            assert_blamed(&status, "session_id", id);
            let rotation = RotateSessionRequest::new("a-good-session-id").new_session_id(id);
            assert_blamed(&stub.rotate_session(rotation).await.unwrap_err(), "new_session_id", id);
        }
    }
    for id in ["c".repeat(16), "d".repeat(256)] {
        stub.clone().create_session(CreateSessionRequest::new().session_id(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_judged() {
    let server = Server::start();
    let mut stub = server.stub();
    let good = ["a", "0", "shop.eu-1_b", &"x".repeat(63)].map(str::to_owned);
    let bad = ["-a", ".a", "_a", "A", "shop eu", "shöp", "a/b", "a\0", &"x".repeat(64)].map(str::to_owned);
    for namespace in good {
        stub.create_session(CreateSessionRequest { namespace, ..Default::default() }).await.unwrap();
    }
    for namespace in bad {
        let id = "some-session-id-1";
        let request = GetSessionRequest { namespace, ..GetSessionRequest::new(id) };
        assert_blamed(&stub.get_session(request).await.unwrap_err(), "namespace", id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_bounded_in_every_direction() {
    let server = Server::start();
    let mut stub = server.stub();
    let new = CreateSessionRequest::new;
    let many = |n: usize| (0..n).map(|i| (format!("a{i:04}"), Value::from(1))).collect();
    let labels = |n: usize| (0..n).map(|i| (format!("l{i}"), String::new())).collect();
    let cases = [
        ("attributes", new().attribute("", 1)),
        ("attributes", new().attribute("n".repeat(257), 1)),
        ("attributes[\"v\"]", new().attribute("v", Value { kind: None })),
        ("attributes[\"v\"]", new().attribute("v", nested(31))),
        ("attributes[\"v\"]", new().attribute("v", Value::map([("a", 1), ("b", 2), ("a", 3)]))),
        ("attributes[\"v\"]", new().attribute("v", Timestamp { seconds: i64::MAX, nanos: 0 })),
        ("principal", new().principal("p".repeat(257))),
        ("labels", new().label("", "x")),
        ("labels", new().label("l".repeat(65), "x")),
        ("labels[\"device\"]", new().label("device", "x".repeat(257))),
    ];
    for (field, request) in cases {
        assert_blamed(&stub.create_session(request).await.unwrap_err(), field, "");
    }
    for request in
        [CreateSessionRequest { attributes: many(1025), ..new() }, CreateSessionRequest { labels: labels(17), ..new() }]
    {
        assert_too_large(&stub.create_session(request).await.unwrap_err(), "");
    }
    let largest = CreateSessionRequest { attributes: many(1024), labels: labels(16), ..new() };
    let largest = largest.principal("p".repeat(256));
    let id = stub.create_session(largest).await.unwrap().into_inner().session_id;
    let widest = new().attribute("n".repeat(256), nested(30)).label("l".repeat(64), "x".repeat(256));
    stub.create_session(widest).await.unwrap();

    // The bounds hold for the sum of all updates.
    for change in [SessionChange::new().set("one more", 1), SessionChange::new().set_label("one more", "x")] {
        let status = stub.update_session(UpdateSessionRequest::new(&id, change)).await.unwrap_err();
        assert_too_large(&status, &id);
    }
    let swap = SessionChange::new().set("one more", 1).remove("a0000");
    stub.update_session(UpdateSessionRequest::new(&id, swap)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_grows_too_large_is_refused_with_the_limit() {
    let server = Server::start_with(&["--max-session-size", "64KiB"]);
    let mut stub = server.stub();
    let large = |bytes: usize| Value::from(vec![7; bytes]);
    let status = stub.create_session(CreateSessionRequest::new().attribute("v", large(65 << 10))).await.unwrap_err();
    assert_too_large(&status, "");

    let request = CreateSessionRequest::new().attribute("v", large(60 << 10));
    let id = stub.create_session(request).await.unwrap().into_inner().session_id;
    let grow = SessionChange::new().set("w", large(5 << 10));
    let status = stub.update_session(UpdateSessionRequest::new(&id, grow.clone())).await.unwrap_err();
    assert_too_large(&status, &id);
    let status = stub.rotate_session(RotateSessionRequest::new(&id).change(grow)).await.unwrap_err();
    assert_too_large(&status, &id);
    // Neither left a trace: the session is unchanged under its ID.
    let session = stub.get_session(GetSessionRequest::new(&id)).await.unwrap().into_inner().session.unwrap();
    assert_eq!((session.version, session.attributes.len()), (1, 1));
}

#[track_caller]
fn assert_too_large(status: &Status, id: &str) {
    use tonic_types::StatusExt;
    assert_eq!((status.code(), reason(status).as_str()), (Code::ResourceExhausted, "SESSION_TOO_LARGE"), "{status:?}");
    let metadata = status.get_details_error_info().unwrap().metadata;
    let number = |key: &str| metadata[key].parse::<u64>().unwrap();
    assert!(number("actual") > number("limit"), "{metadata:?}");
    assert_silent(status, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_are_bounded() {
    let server = Server::start();
    let mut stub = server.stub();
    let idle = |length| Timeouts { idle_timeout: Some(length), absolute: None };
    let after = |length| Timeouts { idle_timeout: None, absolute: Some(Absolute::AbsoluteTimeout(length)) };
    let at = |seconds| Timeouts::new().expire_at(Timestamp { seconds, nanos: 0 });
    let fraction = Duration { seconds: 0, nanos: 999_999 };
    let malformed = Duration { seconds: 1, nanos: 1_000_000_000 };
    let mixed = Duration { seconds: 1, nanos: -1 };
    let bad = [
        seconds(0),
        seconds(-1),
        fraction,
        malformed,
        mixed,
        seconds(3661 * DAY),
        seconds(i64::MAX),
        seconds(i64::MIN),
    ];
    let mut cases = Vec::new();
    for length in bad {
        cases.push(("idle_timeout", idle(length)));
        cases.push(("absolute_timeout", after(length)));
    }
    let now = i64::try_from(crate::common::now() / 1_000).unwrap();
    for moment in [now - 60, 0, -1, i64::MIN, now + 3661 * DAY, i64::MAX] {
        cases.push(("absolute_expire_time", at(moment)));
    }
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    for (field, timeouts) in cases {
        let request = CreateSessionRequest::new().timeouts(timeouts);
        assert_blamed(&stub.create_session(request).await.unwrap_err(), &format!("timeouts.{field}"), "");
        let change = SessionChange::new().set_timeouts(timeouts);
        let field = format!("change.timeouts.{field}");
        let status = stub.update_session(UpdateSessionRequest::new(&id, change.clone())).await.unwrap_err();
        assert_blamed(&status, &field, &id);
        let status = stub.rotate_session(RotateSessionRequest::new(&id).change(change)).await.unwrap_err();
        assert_blamed(&status, &field, &id);
    }
    for good in [idle(seconds(3660 * DAY)), after(seconds(3660 * DAY)), at(now + 3659 * DAY)] {
        stub.create_session(CreateSessionRequest::new().timeouts(good)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_contradict_themselves_are_refused() {
    let server = Server::start();
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;

    let request = GetSessionRequest { access: 3, ..GetSessionRequest::new(&id) };
    assert_blamed(&stub.get_session(request).await.unwrap_err(), "access", &id);

    for grace in [seconds(-1), seconds(61), Duration { seconds: 60, nanos: 1_000_000 }, seconds(i64::MAX)] {
        let request = RotateSessionRequest { grace: Some(grace), ..RotateSessionRequest::new(&id) };
        assert_blamed(&stub.rotate_session(request).await.unwrap_err(), "grace", &id);
    }

    let both = SessionChange::new().set("theme", 1).remove("theme");
    let status = stub.update_session(UpdateSessionRequest::new(&id, both)).await.unwrap_err();
    assert_blamed(&status, "change.remove_attributes", &id);

    let request = UpdateSessionRequest::new(&id, SessionChange::new()).upsert().if_version(1);
    assert_blamed(&stub.update_session(request).await.unwrap_err(), "expected_version", &id);

    let by_handle = |handle: &str| DeleteSessionRequest::by_handle(handle);
    for handle in ["", "nothing", "0192f3c4-0000-7000-8000-00000000000", &id] {
        assert_blamed(&stub.delete_session(by_handle(handle)).await.unwrap_err(), "handle", &id);
    }
    let request = DeleteSessionRequest { target: None::<Target>, ..Default::default() };
    assert_blamed(&stub.delete_session(request).await.unwrap_err(), "target", &id);

    // None of this changed the session.
    let session = stub.get_session(GetSessionRequest::new(&id)).await.unwrap().into_inner().session.unwrap();
    assert_eq!((session.version, session.attributes.len()), (1, 0));
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(Value::from(true), |inner, _| Value::from(vec![inner]))
}
