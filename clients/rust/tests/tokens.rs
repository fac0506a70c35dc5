//! Tokens, with a real server that has access rules.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, EventKind, SessionChange, WatchSessionsRequest,
};
use sessiond_client::{Client, ClientBuilder, Error, Health, Lane, RetryPolicy, WatchMessage};
use sessiond_testing::{Server, binary};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const LANES: [Lane; 2] = [Lane::Auto, Lane::Unary];

/// A server with a caller that may work in the namespace "shop", and the files of both sides.
struct Guarded {
    folder: TempDir,
    server: Server,
}

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = "[caller.shop]\nallow = [{ namespaces = [\"shop\"], may = [\"application\"] }]\n";
        fs::write(folder.path().join("access.toml"), rules).unwrap();
        fs::write(folder.path().join("tokens"), "").unwrap();
        let [access, tokens] = ["access.toml", "tokens"].map(|file| folder.path().join(file).display().to_string());
        let server = Server::start_at("127.0.0.1:0", &["--access-file", &access, "--access-tokens", &tokens]);
        Self { folder, server }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn token_command(&self, arguments: &[&str]) -> String {
        let [command, rest @ ..] = arguments else { panic!("no command") };
        let mut program = binary();
        program.args(["token", command, "--access-tokens"]).arg(self.path("tokens")).args(rest);
        let ran = program.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// A new token, which the server knows.
    async fn token(&self) -> String {
        let token = self.token_command(&["create", "shop"]);
        self.until(&token, true).await;
        token
    }

    /// Ends a token, and waits until the server knows.
    async fn revoke(&self, token: &str) {
        let id = token.split('_').nth(1).unwrap();
        self.token_command(&["revoke", id]);
        self.until(token, false).await;
    }

    async fn until(&self, token: &str, is_valid: bool) {
        let client = self.client().token(token).connect_lazy().unwrap();
        let start = Instant::now();
        while matches!(client.get("no-such-session-id").await, Err(Error::SessionNotFound)) != is_valid {
            assert!(start.elapsed() < LONG, "the server does not look at its tokens");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn client(&self) -> ClientBuilder {
        Client::builder().address(self.server.address()).namespace("shop").deadline(LONG).retry(RetryPolicy::never())
    }

    /// The file of a client, with this token.
    fn write(&self, token: &str) -> PathBuf {
        let (file, new) = (self.path("client"), self.path("client.new"));
        fs::write(&new, format!("{token}\n")).unwrap();
        fs::rename(new, &file).unwrap();
        file
    }
}

async fn works(client: &Client) {
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    client.get(&id).await.unwrap();
    assert_eq!(client.count(CountSessionsRequest::new().principal("nobody")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_token_by_file_and_as_text_lets_in() {
    let guarded = Guarded::start();
    let token = guarded.token().await;
    let file = guarded.write(&token);
    for lane in LANES {
        works(&guarded.client().lane(lane).token(&token).connect_lazy().unwrap()).await;
        works(&guarded.client().lane(lane).token_file(&file).connect_lazy().unwrap()).await;
    }
}

#[tokio::test]
async fn who_has_no_token_is_told_so_but_for_health() {
    let guarded = Guarded::start();
    for (lane, token) in LANES.into_iter().zip([None, Some("sdt_aaaaaaaa_unknown")]) {
        let client = guarded.client().lane(lane);
        let client = token.map_or(client.clone(), |token| client.token(token)).connect_lazy().unwrap();
        for error in [
            client.get("no-such-session-id").await.unwrap_err(),
            client.create(CreateSessionRequest::new()).await.unwrap_err(),
            client.watch(WatchSessionsRequest::new()).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
            assert!(!error.to_string().contains("aaaaaaaa"), "{error}");
            assert_eq!((error.reason(), error.is_transient()), ("UNAUTHENTICATED", false));
        }
    }
    assert_eq!(guarded.client().connect_lazy().unwrap().health("").await.unwrap(), Health::Serving);
}

#[tokio::test]
async fn what_a_caller_may_not_do_is_an_error_of_its_own() {
    let guarded = Guarded::start();
    let token = guarded.token().await;
    for lane in LANES {
        let client = guarded.client().lane(lane).token(&token).namespace("elsewhere").connect_lazy().unwrap();
        for error in [
            client.get("no-such-session-id").await.unwrap_err(),
            client.watch(WatchSessionsRequest::new()).await.unwrap_err(),
            client.statistics().await.unwrap_err(),
        ] {
            let Error::PermissionDenied { message, .. } = &error else { panic!("{error:?}") };
            assert!(message.contains("shop"), "{message}");
            assert_eq!(error.reason(), "PERMISSION_DENIED");
        }
        works(&guarded.client().lane(lane).token(&token).connect_lazy().unwrap()).await;
    }
}

#[tokio::test]
async fn a_revoked_token_ends_all_and_a_new_one_in_its_file_is_taken_at_once() {
    let guarded = Guarded::start();
    let token = guarded.token().await;
    let file = guarded.write(&token);
    let clients = LANES.map(|lane| guarded.client().lane(lane).token_file(&file).connect_lazy().unwrap());
    for client in &clients {
        works(client).await;
    }
    guarded.revoke(&token).await;
    for client in &clients {
        let error = client.get("no-such-session-id").await.unwrap_err();
        assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
        assert!(!format!("{error} {error:?} {client:?}").contains(&token), "{error}");
    }
    let other = guarded.token().await;
    guarded.write(&other);
    for client in &clients {
        works(client).await;
    }
}

/// A token is replaced while calls are made and events are followed; none fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_under_load_and_no_call_fails() {
    let guarded = Guarded::start();
    let old = guarded.token().await;
    let file = guarded.write(&old);
    let clients = LANES.map(|lane| guarded.client().lane(lane).token_file(&file).connect_lazy().unwrap());
    let mut events = clients[0].follow(WatchSessionsRequest::new().kind(EventKind::Created)).await.unwrap();
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let task = |client: &Client| {
        let (client, stop, calls) = (client.clone(), Arc::clone(&stop), Arc::clone(&calls));
        tokio::spawn(async move {
            let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
            while !stop.load(Relaxed) {
                client.update(&id, SessionChange::new().set("count", 1)).await.unwrap();
                client.get(&id).await.unwrap();
                calls.fetch_add(2, Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let tasks: Vec<_> = clients.iter().flat_map(|client| (0..8).map(|_| task(client)).collect::<Vec<_>>()).collect();
    let more = async |number| {
        let (start, before) = (Instant::now(), calls.load(Relaxed));
        while calls.load(Relaxed) < before + number && start.elapsed() < LONG {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    more(100).await;
    let new = guarded.token().await;
    guarded.write(&new);
    more(100).await;
    guarded.revoke(&old).await;
    more(500).await;
    stop.store(true, Relaxed);
    for task in tasks {
        task.await.expect("no call fails");
    }
    // The stream of events, which was opened with the old token, goes on with the new one.
    let handle = clients[1].create(CreateSessionRequest::new()).await.unwrap().session.handle;
    loop {
        let next = tokio::time::timeout(LONG, events.next()).await.expect("it goes on");
        if let WatchMessage::Event(event) = next.unwrap()
            && event.session.handle == handle
        {
            break;
        }
    }
}
