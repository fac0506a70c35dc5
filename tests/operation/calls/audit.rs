//! The audit log: who did what to how many sessions, and how it ended.

use super::{lines_in, logged, told};
use crate::common::access::{AccessFiles, WithHeader, stub_with};
use crate::common::backups::{back_up, restore};
use crate::common::metrics::scrape;
use crate::common::{LONG, Run, Server, binary, eventually, run};
use rustix::process::Signal;
use serde_json::Value;
use sessiond_client::proto::admin_client::AdminClient;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::delete_session_request::Target;
use sessiond_client::proto::revoke_sessions_request::Scope;
use sessiond_client::proto::{
    BackupRequest, Call, CountSessionsRequest, CreateSessionRequest, DeleteSessionRequest, ExchangeRequest,
    HandleScope, ListSessionsRequest, NamespaceScope, PrincipalScope, RevokeSessionsRequest, SweepNowRequest,
    VerifyRequest, WatchSessionsRequest,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tokio::time::timeout;
use tonic::{Code, Streaming};

const RULES: &str = r#"
[caller.shop]
allow = [{ namespaces = ["shop"], may = ["application"] }]

[caller.ops]
allow = [{ namespaces = ["*"], may = ["operator"] }]
"#;

/// What most lines are compared by.
const NAMES: [&str; 9] = ["event", "method", "caller", "namespace", "scope", "principal", "sessions", "code", "lane"];

async fn read_all<T>(mut stream: Streaming<T>) {
    while timeout(LONG, stream.message()).await.unwrap().unwrap().is_some() {}
}

/// Waits for so many lines.
async fn lines(path: &Path, count: usize) -> Vec<Value> {
    eventually("the lines are written", async || lines_in(path).len() >= count).await;
    lines_in(path)
}

fn created(principal: &str) -> CreateSessionRequest {
    CreateSessionRequest { namespace: "shop".into(), principal: principal.into(), ..CreateSessionRequest::default() }
}

fn by_handle(handle: String) -> DeleteSessionRequest {
    let target = Some(Target::Handle(handle));
    DeleteSessionRequest { namespace: "shop".into(), target, ..DeleteSessionRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_administrative_call_is_told_with_who_what_and_how_many() {
    let files = AccessFiles::new(RULES);
    let [shop, ops] = ["shop", "ops"].map(|caller| files.token(caller));
    let name = files.name("audit");
    let path = Path::new(&name);
    let server = files.serve(&["--audit-log", &name]);
    let (mut app, mut admin) = (stub_with(server.channel(), &shop), stub_with(server.channel(), &ops));
    let mut secrets = vec![shop.reveal().to_owned(), ops.reveal().to_owned()];
    let mut handles = Vec::new();
    for principal in ["ann", "ann", "ann", "bob", "bob", "", ""] {
        let made = app.create_session(created(principal)).await.unwrap().into_inner();
        secrets.push(made.session_id);
        handles.push(made.session.unwrap().handle);
    }
    let namespace = || "shop".to_owned();
    let listed = |principal: &str| ListSessionsRequest {
        namespace: namespace(),
        principal: principal.into(),
        ..ListSessionsRequest::default()
    };
    let counted = |principal: &str| CountSessionsRequest { namespace: namespace(), principal: principal.into() };
    let revoked = |scope| RevokeSessionsRequest { namespace: namespace(), scope: Some(scope) };
    // Pages of one user are no administrative calls, and an ID in a cookie is none.
    app.list_sessions(listed("ann")).await.unwrap();
    app.count_sessions(counted("ann")).await.unwrap();
    app.delete_session(DeleteSessionRequest { namespace: namespace(), ..DeleteSessionRequest::by_id(&secrets[8]) })
        .await
        .unwrap();

    admin.list_sessions(listed("")).await.unwrap();
    admin.count_sessions(counted("")).await.unwrap();
    app.count_sessions(counted("")).await.unwrap_err();
    app.delete_session(by_handle(handles[0].clone())).await.unwrap();
    let call = Call {
        tag: 1,
        timeout: None,
        method: Some(Method::Delete(by_handle(handles[0].clone()))),
        trace_context: None,
    };
    read_all(app.exchange(tokio_stream::once(ExchangeRequest { calls: vec![call] })).await.unwrap().into_inner()).await;
    let of_ann = PrincipalScope { principal: "ann".into(), except_session_id: secrets[3].clone() };
    app.revoke_sessions(revoked(Scope::Principal(of_ann))).await.unwrap();
    admin.revoke_sessions(revoked(Scope::Handles(HandleScope { handles: handles[3..5].to_vec() }))).await.unwrap();
    let all = || revoked(Scope::WholeNamespace(NamespaceScope::default()));
    app.revoke_sessions(all()).await.unwrap_err();
    admin.revoke_sessions(all()).await.unwrap();
    let told_of = lines(path, 9).await;
    assert_eq!(
        told(&told_of, &NAMES),
        [
            "call ListSessions ops shop whole_namespace  6 OK unary",
            "call CountSessions ops shop whole_namespace  6 OK unary",
            "call CountSessions shop shop whole_namespace   PERMISSION_DENIED unary",
            "call DeleteSession shop shop handle  1 OK unary",
            "call DeleteSession shop shop handle  0 NOT_FOUND stream",
            "call RevokeSessions shop shop principal ann 1 OK unary",
            "call RevokeSessions ops shop handles  2 OK unary",
            "call RevokeSessions shop shop whole_namespace   PERMISSION_DENIED unary",
            "call RevokeSessions ops shop whole_namespace  2 OK unary",
        ]
    );
    assert_eq!(told(&told_of[3..5], &["handle"]), [handles[0].as_str(); 2]);
    assert!(told_of.iter().all(|line| line["peer"].as_str().unwrap().starts_with("127.0.0.1:")), "{told_of:?}");
    assert!(told_of.iter().all(|line| line["duration_us"].is_u64() && line["time"].is_string()), "{told_of:?}");

    let text = fs::read_to_string(path).unwrap() + &server.log();
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "a secret is told: {text}");
    assert!(logged(&server.log(), "sessiond::audit").is_empty(), "the file has them");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_on_the_whole_server_are_told_with_their_begin_and_end() {
    let files = AccessFiles::new(RULES);
    let [shop, ops] = ["shop", "ops"].map(|caller| files.token(caller));
    let name = files.name("audit");
    let path = Path::new(&name);
    let mut server = files.serve(&["--audit-log", &name]);
    let mut app = stub_with(server.channel(), &shop);
    app.create_session(created("ann")).await.unwrap();
    let mut admin = AdminClient::with_interceptor(server.channel(), WithHeader::bearer(ops.reveal()));
    admin.sweep_now(SweepNowRequest {}).await.unwrap();
    read_all(admin.verify(VerifyRequest {}).await.unwrap().into_inner()).await;
    lines(path, 3).await;
    read_all(admin.backup(BackupRequest {}).await.unwrap().into_inner()).await;
    lines(path, 5).await;
    let denied = AdminClient::with_interceptor(server.channel(), WithHeader::bearer(shop.reveal()));
    assert_eq!({ denied }.backup(BackupRequest {}).await.unwrap_err().code(), Code::PermissionDenied);
    lines(path, 6).await;
    let watch = WatchSessionsRequest { namespace: "shop".into(), ..WatchSessionsRequest::default() };
    let mut events = app.watch_sessions(watch).await.unwrap().into_inner();
    assert!(events.message().await.unwrap().is_some(), "the first checkpoint");
    app.create_session(created("bob")).await.unwrap();
    assert!(timeout(LONG, events.message()).await.unwrap().unwrap().is_some(), "the event");
    lines(path, 7).await;
    server.stop();

    let told_of = lines_in(path);
    let names = [&NAMES[..4], &["sessions", "events", "code"]].concat();
    assert_eq!(
        told(&told_of, &names),
        [
            "call SweepNow ops  0  OK",
            "begin Verify ops    ",
            "end Verify ops  1 1 OK",
            "begin Backup ops    ",
            "end Backup ops  1 1 OK",
            "end Backup shop    PERMISSION_DENIED",
            "begin WatchSessions shop shop  0 ",
            "end WatchSessions shop shop  1 UNAVAILABLE",
        ]
    );
    assert!(told_of[4]["bytes"].as_u64().unwrap() > 100, "{}", told_of[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_each_is_in_the_log_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let server = Server::start_with(&["--listen", &socket]);
    let client = server.client();
    for _ in 0..50 {
        client.count(CountSessionsRequest::default()).await.unwrap();
    }
    let (backup, _) = back_up(&client).await.unwrap();
    restore(&client, &backup).await.unwrap();
    let lines = async || logged(&server.log(), "sessiond::audit");
    eventually("all are told", async || lines().await.len() >= 54).await;
    let lines = lines().await;
    let user = format!("user {}", fs::metadata(folder.path()).unwrap().uid());
    let names = ["message", "method", "peer", "code"];
    assert_eq!(told(&lines[49..50], &names), [format!("call CountSessions {user} OK")]);
    assert_eq!(told(&lines[53..], &names), [format!("end Restore {user} OK")]);
    assert_eq!(lines[53]["bytes"], backup.len() as u64);
    assert_eq!(lines[0].get("caller"), None, "nobody is asked who he is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_is_made_again_at_a_hangup_and_renewals_are_told() {
    let files = AccessFiles::new(RULES);
    let (name, old) = (files.name("audit"), files.name("audit.1"));
    let server = files.serve(&["--audit-log", &name]);
    let client = async || {
        let token = files.token("ops");
        eventually("the token is known", async || {
            let counted = CountSessionsRequest { namespace: "shop".into(), ..CountSessionsRequest::default() };
            stub_with(server.channel(), &token).count_sessions(counted).await.is_ok()
        })
        .await;
    };
    client().await;
    assert_eq!(fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o600);
    eventually("a line is there", async || !lines_in(Path::new(&name)).is_empty()).await;
    fs::rename(&name, &old).unwrap();
    server.signal(Signal::HUP);
    eventually("it is made again", async || Path::new(&name).exists()).await;
    let renewals = || -> Vec<String> {
        let both = [lines_in(Path::new(&old)), lines_in(Path::new(&name))].concat();
        let both: Vec<Value> = both.into_iter().filter(|line| line["what"].is_string()).collect();
        told(&both, &["event", "what"])
    };
    eventually("the renewal is told", async || {
        renewals().last().is_some_and(|line| line == "renewed the access rules")
    })
    .await;
    let before = lines_in(Path::new(&old)).len();
    files.write("access.toml", "nonsense");
    eventually("it is told", async || renewals().last().is_some_and(|line| line == "not renewed the access rules"))
        .await;
    let told = lines_in(Path::new(&name));
    assert!(told.last().unwrap()["problem"].as_str().unwrap().contains("access.toml"), "{told:?}");
    assert_eq!(lines_in(Path::new(&old)).len(), before, "nothing more goes to the old file");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_can_not_be_written_are_counted_and_in_the_log() {
    let server = Server::start_with(&["--audit-log", "/dev/full", "--metrics-listen", "127.0.0.1:0"]);
    server.client().count(CountSessionsRequest::default()).await.unwrap();
    let failures = || scrape(server.metrics_address()).value("sessiond_audit_failures_total");
    eventually("it is counted", async || failures() > 0.5).await;
    let log = server.log();
    assert!(log.contains("the audit log can't be written; its lines go to this log"), "{log}");
    let line = logged(&log, "sessiond::audit")[0]["line"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["method"], "CountSessions");
}

#[test]
fn a_file_that_can_not_be_opened_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |file: &str| {
        let Run { code, stderr, .. } =
            run(binary().current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--audit-log", file]));
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        stderr
    };
    let told = refused("missing/audit");
    assert!(told.starts_with("sessiond: --audit-log: missing/audit can't be opened (No such file"), "{told}");
    assert!(told.ends_with("; create its folder, or choose a path that the server's user can write\n"), "{told}");
    assert!(refused(".").contains(". can't be opened (Is a directory"));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a start that is refused makes no folder");
}
