//! Tests of bad input to the calls that are not about one session. Each is refused with the right code, reason and
//! field, without a word of a secret.

use crate::common::tokens::token_of;
use crate::common::{Server, assert_blamed, assert_silent, reason};
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, CountSessionsRequest, CreateSessionRequest,
    IssueCsrfTokenRequest, IssueHandoffRequest, ListSessionsRequest, LockSessionRequest, RedeemHandoffRequest,
    RevokeSessionsRequest, UnlockSessionRequest, VerifyCsrfTokenRequest, WatchSessionsRequest,
};
use sessiond_client::{Client, Duration};
use tonic::{Code, Status};

const BAD_NAMESPACES: [&str; 4] = ["Shop", "-shop", "shop eu", "shöp"];
const BAD_IDS: [&str; 5] = [
    "",
    "too-short",
    "with space inside the identifier",
    "non-ascii-identifiér-of-length",
    "a-null-byte\0-inside-of-it",
];
const GOOD_ID: &str = "some-session-id-1";
const HANDLE: &str = "0198c0de-0000-7000-8000-000000000000";

#[allow(clippy::unnecessary_wraps, reason = "as the fields of requests take it")]
fn duration(seconds: i64, nanos: i32) -> Option<Duration> {
    Some(Duration { seconds, nanos })
}

/// Durations outside a bound from 100 ms or 1 s to some minutes, or malformed.
fn bad_durations() -> [Option<Duration>; 7] {
    [
        duration(-1, 0),
        duration(0, -1),
        duration(0, 99_999_999),
        duration(3_601, 0),
        duration(i64::MAX, 0),
        duration(i64::MIN, i32::MIN),
        duration(1, -1),
    ]
}

/// Calls a method with each of the requests, and checks the refusals.
macro_rules! refused {
    ($server:expr, $method:ident, $field:expr, $secret:expr, [$($request:expr),+ $(,)?]) => {
        for request in [$($request),+] {
            let shown = format!("{request:?}");
            match $server.stub().$method(request).await {
                Err(status) => assert_blamed(&status, $field, $secret),
                Ok(_) => panic!("{}: {shown} was not refused", stringify!($method)),
            }
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_and_ids_are_judged_everywhere() {
    let server = Server::start();
    for bad in BAD_NAMESPACES {
        let namespace = || bad.to_owned();
        refused!(
            server,
            list_sessions,
            "namespace",
            "",
            [ListSessionsRequest { namespace: namespace(), ..Default::default() }]
        );
        refused!(
            server,
            count_sessions,
            "namespace",
            "",
            [CountSessionsRequest { namespace: namespace(), ..Default::default() }]
        );
        let request = RevokeSessionsRequest { namespace: namespace(), ..RevokeSessionsRequest::whole_namespace() };
        refused!(server, revoke_sessions, "namespace", "", [request]);
        refused!(
            server,
            watch_sessions,
            "namespace",
            "",
            [WatchSessionsRequest { namespace: namespace(), ..Default::default() }]
        );
        let request = BatchGetSessionsRequest { namespace: namespace(), ..BatchGetSessionsRequest::new([GOOD_ID]) };
        refused!(server, batch_get_sessions, "namespace", GOOD_ID, [request]);
        let request =
            BatchDeleteSessionsRequest { namespace: namespace(), ..BatchDeleteSessionsRequest::new([GOOD_ID]) };
        refused!(server, batch_delete_sessions, "namespace", GOOD_ID, [request]);
        let request = LockSessionRequest { namespace: namespace(), ..LockSessionRequest::new(GOOD_ID) };
        refused!(server, lock_session, "namespace", GOOD_ID, [request]);
        let request =
            UnlockSessionRequest { namespace: namespace(), ..UnlockSessionRequest::new(GOOD_ID, "some-token") };
        refused!(server, unlock_session, "namespace", GOOD_ID, [request]);
        let request = IssueHandoffRequest { namespace: namespace(), ..IssueHandoffRequest::new(GOOD_ID, "shop") };
        refused!(server, issue_handoff, "namespace", GOOD_ID, [request]);
        let request =
            RedeemHandoffRequest { namespace: namespace(), ..RedeemHandoffRequest::new("some-ticket", "shop") };
        refused!(server, redeem_handoff, "namespace", "some-ticket", [request]);
        let request = IssueCsrfTokenRequest { namespace: namespace(), ..IssueCsrfTokenRequest::new(GOOD_ID) };
        refused!(server, issue_csrf_token, "namespace", GOOD_ID, [request]);
        let request =
            VerifyCsrfTokenRequest { namespace: namespace(), ..VerifyCsrfTokenRequest::new(GOOD_ID, "some-token") };
        refused!(server, verify_csrf_token, "namespace", GOOD_ID, [request]);
    }
    for id in BAD_IDS.map(str::to_owned).into_iter().chain(["i".repeat(257)]) {
        let id = id.as_str();
        refused!(server, lock_session, "session_id", id, [LockSessionRequest::new(id)]);
        refused!(server, unlock_session, "session_id", id, [UnlockSessionRequest::new(id, "some-token")]);
        refused!(server, issue_handoff, "session_id", id, [IssueHandoffRequest::new(id, "shop")]);
        refused!(server, issue_csrf_token, "session_id", id, [IssueCsrfTokenRequest::new(id)]);
        refused!(server, verify_csrf_token, "session_id", id, [VerifyCsrfTokenRequest::new(id, "some-token")]);
        // If the field is optional, an empty value means that it is left out.
        if !id.is_empty() {
            let request = RedeemHandoffRequest::new("some-ticket", "shop").new_session_id(id);
            refused!(server, redeem_handoff, "new_session_id", id, [request]);
            let request = RevokeSessionsRequest::of_principal_except("ada", id);
            refused!(server, revoke_sessions, "principal.except_session_id", id, [request]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_and_revoked_is_judged() {
    let server = Server::start();
    let long = "p".repeat(257);
    refused!(server, list_sessions, "principal", "", [ListSessionsRequest::new().principal(&long)]);
    refused!(server, count_sessions, "principal", "", [CountSessionsRequest::new().principal(&long)]);
    let size = |page_size| ListSessionsRequest::new().page_size(page_size);
    refused!(server, list_sessions, "page_size", "", [size(1_001), size(u32::MAX)]);
    let view = |view| ListSessionsRequest { view, ..ListSessionsRequest::new() };
    refused!(server, list_sessions, "view", "", [view(3), view(-1), view(i32::MAX)]);
    let token = |token: &str| ListSessionsRequest::new().page_token(token);
    refused!(
        server,
        list_sessions,
        "page_token",
        GOOD_ID,
        [token("x"), token(GOOD_ID), token("\0"), token(&"A".repeat(100_000))]
    );

    refused!(server, revoke_sessions, "scope", "", [RevokeSessionsRequest::default()]);
    let principal = RevokeSessionsRequest::of_principal;
    refused!(server, revoke_sessions, "principal.principal", "", [principal(""), principal(&long)]);
    let excepting = RevokeSessionsRequest::of_principal_except("", GOOD_ID);
    refused!(server, revoke_sessions, "principal.principal", GOOD_ID, [excepting]);
    let handles = |count| RevokeSessionsRequest::by_handles(std::iter::repeat_n(HANDLE, count));
    refused!(server, revoke_sessions, "handles.handles", "", [handles(0), handles(1_001)]);
    let second = |handle: &str| RevokeSessionsRequest::by_handles([HANDLE, handle]);
    refused!(
        server,
        revoke_sessions,
        "handles.handles[1]",
        GOOD_ID,
        [second(""), second(GOOD_ID), second(&HANDLE[1..])]
    );
    let widest = "p".repeat(256);
    let mut stub = server.stub();
    stub.list_sessions(ListSessionsRequest::new().principal(&widest).page_size(1_000).full()).await.unwrap();
    stub.count_sessions(CountSessionsRequest::new().principal(&widest)).await.unwrap();
    stub.revoke_sessions(principal(&widest)).await.unwrap();
    stub.revoke_sessions(handles(1_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_judged() {
    let server = Server::start();
    let new = WatchSessionsRequest::new;
    let both = WatchSessionsRequest { namespace: "shop".into(), all_namespaces: true, ..new() };
    refused!(server, watch_sessions, "namespace", "", [both]);
    refused!(server, watch_sessions, "principal", "", [new().principal("p".repeat(257))]);
    let kinds = |kinds: &[i32]| WatchSessionsRequest { kinds: kinds.to_vec(), ..new() };
    refused!(server, watch_sessions, "kinds", "", [kinds(&[0]), kinds(&[1, 7]), kinds(&[-1]), kinds(&[i32::MAX])]);
    for checkpoint_interval in bad_durations() {
        refused!(
            server,
            watch_sessions,
            "checkpoint_interval",
            "",
            [WatchSessionsRequest { checkpoint_interval, ..new() }]
        );
    }
    for checkpoint_interval in [duration(0, 100_000_000), duration(3_600, 0)] {
        let widest = WatchSessionsRequest { checkpoint_interval, ..kinds(&[1, 2, 3, 4, 5, 6, 6]) };
        server.stub().watch_sessions(widest).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_tickets_are_judged() {
    let server = Server::start();
    let client: Client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    for bad in bad_durations() {
        refused!(
            server,
            lock_session,
            "lease",
            &id,
            [LockSessionRequest { lease: bad, ..LockSessionRequest::new(&id) }]
        );
        refused!(
            server,
            issue_handoff,
            "lifetime",
            &id,
            [IssueHandoffRequest { lifetime: bad, ..IssueHandoffRequest::new(&id, "shop") }]
        );
    }
    let lease = |lease| LockSessionRequest { lease, ..LockSessionRequest::new(&id) };
    refused!(server, lock_session, "lease", &id, [lease(duration(0, 0)), lease(duration(60, 1_000_000))]);
    let wait = |wait| LockSessionRequest { wait, ..LockSessionRequest::new(&id) };
    refused!(
        server,
        lock_session,
        "wait",
        &id,
        [wait(duration(-1, 0)), wait(duration(30, 1_000_000)), wait(duration(i64::MAX, 0))]
    );
    let lifetime = |lifetime| IssueHandoffRequest { lifetime, ..IssueHandoffRequest::new(&id, "shop") };
    refused!(
        server,
        issue_handoff,
        "lifetime",
        &id,
        [lifetime(duration(0, 999_000_000)), lifetime(duration(300, 1_000_000))]
    );
    let audience = |audience: &str| IssueHandoffRequest::new(&id, audience);
    refused!(server, issue_handoff, "audience", &id, [audience(""), audience(&"a".repeat(257))]);

    let mut stub = server.stub();
    let ticket = stub.issue_handoff(audience(&"a".repeat(256))).await.unwrap().into_inner().ticket;
    let redeem = |audience: &str| RedeemHandoffRequest::new(&ticket, audience);
    refused!(server, redeem_handoff, "audience", &ticket, [redeem(""), redeem(&"a".repeat(257))]);
    // A malformed call does not use up a ticket.
    stub.redeem_handoff(redeem(&"a".repeat(256))).await.unwrap();
    for request in [lease(duration(0, 100_000_000)), wait(duration(30, 0)), wait(duration(0, 0))] {
        let lock = stub.lock_session(request).await.unwrap().into_inner().lock_token;
        stub.unlock_session(UnlockSessionRequest::new(&id, lock)).await.unwrap();
    }
    for longest in [lifetime(duration(1, 0)), lifetime(duration(300, 0))] {
        stub.issue_handoff(longest).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_judged() {
    let server = Server::start();
    let ids = |count| std::iter::repeat_n(GOOD_ID, count);
    let (get, delete) = (BatchGetSessionsRequest::new, BatchDeleteSessionsRequest::new);
    refused!(server, batch_get_sessions, "session_ids", GOOD_ID, [get(ids(0)), get(ids(1_001))]);
    refused!(server, batch_delete_sessions, "session_ids", GOOD_ID, [delete(ids(0)), delete(ids(1_001))]);
    let access = |access| BatchGetSessionsRequest { access, ..BatchGetSessionsRequest::new([GOOD_ID]) };
    refused!(server, batch_get_sessions, "access", GOOD_ID, [access(3), access(-1)]);
}

/// Asserts a refusal with this code and reason, and without the secret.
#[track_caller]
fn assert_refused<T>(answer: Result<T, Status>, code: Code, expected: &str, secret: &str) {
    let status = answer.err().expect("it is refused");
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
    assert_silent(&status, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refusals_have_their_codes() {
    let server = Server::start_configured("max-sessions-per-principal = 1", &[]);
    let mut stub = server.stub();
    let new = CreateSessionRequest::new().principal("ada");
    let id = stub.create_session(new.clone()).await.unwrap().into_inner().session_id;
    assert_refused(stub.create_session(new).await, Code::ResourceExhausted, "SESSION_LIMIT_REACHED", &id);
    let lock = stub.lock_session(LockSessionRequest::new(&id)).await.unwrap().into_inner().lock_token;
    assert_refused(stub.lock_session(LockSessionRequest::new(&id)).await, Code::FailedPrecondition, "LOCK_HELD", &lock);
    let update = |token: &str| {
        let nothing = sessiond_client::proto::SessionChange::new();
        sessiond_client::proto::UpdateSessionRequest::new(&id, nothing).lock_token(token)
    };
    stub.unlock_session(UnlockSessionRequest::new(&id, &lock)).await.unwrap();
    assert_refused(stub.update_session(update(&lock)).await, Code::FailedPrecondition, "LOCK_LOST", &lock);
    let ticket = stub.issue_handoff(IssueHandoffRequest::new(&id, "shop")).await.unwrap().into_inner().ticket;
    for _ in 0..2 {
        let wrong = stub.redeem_handoff(RedeemHandoffRequest::new(&ticket, "another")).await;
        assert_refused(wrong, Code::NotFound, "HANDOFF_INVALID", &ticket);
    }
    let (missing, unknown) = (Code::NotFound, "SESSION_NOT_FOUND");
    assert_refused(stub.lock_session(LockSessionRequest::new(GOOD_ID)).await, missing, unknown, GOOD_ID);
    assert_refused(stub.issue_handoff(IssueHandoffRequest::new(GOOD_ID, "shop")).await, missing, unknown, GOOD_ID);
    assert_refused(stub.issue_csrf_token(IssueCsrfTokenRequest::new(GOOD_ID)).await, missing, unknown, GOOD_ID);
    let verify = VerifyCsrfTokenRequest::new(GOOD_ID, &ticket);
    assert_refused(stub.verify_csrf_token(verify).await, missing, unknown, &ticket);
    let except = RevokeSessionsRequest::of_principal_except("ada", GOOD_ID);
    assert_refused(stub.revoke_sessions(except).await, missing, unknown, GOOD_ID);
    let future = WatchSessionsRequest::new().resume(token_of(u64::MAX));
    assert_refused(stub.watch_sessions(future).await, Code::OutOfRange, "EVENTS_GONE", &id);
    // None of this did any harm.
    let unlocked = stub.unlock_session(UnlockSessionRequest::new(GOOD_ID, "some-token")).await.unwrap();
    assert!(!unlocked.into_inner().released);
    assert!(server.client().get(&id).await.is_ok());
}
