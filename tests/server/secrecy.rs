//! Tests that session IDs, tickets and tokens stay secret: they are in no log at any level, in no error, and in no
//! file.

use crate::common::{Server, files_below};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sessiond_client::proto::{
    BatchGetSessionsRequest, CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, IssueCsrfTokenRequest,
    IssueHandoffRequest, ListSessionsRequest, LockSessionRequest, RedeemHandoffRequest, RevokeSessionsRequest,
    RotateSessionRequest, SessionChange, Timeouts, TouchSessionRequest, UnlockSessionRequest, UpdateSessionRequest,
    Value, VerifyCsrfTokenRequest,
};
use std::fs;
use std::time::Duration;
use tonic::{Request, Status};

/// A minted ID encodes its handle, which is no secret, and 192 bits that are secret.
const HANDLE_BYTES: usize = 16;
const SECRET_BYTES: usize = 24;
/// The characters of an ID that encode only the handle.
const HANDLE_CHARS: usize = 22;

/// The secret bytes of a minted ID; `None` for other IDs.
fn secret_of(id: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
    (bytes.len() == HANDLE_BYTES + SECRET_BYTES).then(|| bytes[HANDLE_BYTES..].to_vec())
}

/// What a client saw and sent: every ID, and every error as it prints.
#[derive(Default)]
struct Seen {
    ids: Vec<String>,
    errors: Vec<String>,
}

impl Seen {
    fn id(&mut self, id: impl Into<String>) -> String {
        self.ids.push(id.into());
        self.ids[self.ids.len() - 1].clone()
    }

    fn refused<T: std::fmt::Debug>(&mut self, answer: Result<T, Status>) {
        let status = answer.unwrap_err();
        self.errors.push(format!("{status} {status:?} {}", String::from_utf8_lossy(status.details())));
    }

    fn error(&mut self, error: &sessiond_client::Error) {
        self.errors.push(format!("{error} {error:?}"));
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
    bytes.iter().flat_map(digits).collect()
}

/// As `{:?}` prints bytes.
fn listed(bytes: &[u8]) -> String {
    bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The forms in which an ID could leak into a text.
fn forms(id: &str) -> Vec<String> {
    let mut forms = vec![id.to_owned()];
    let mut secrets = vec![id.as_bytes().to_vec()];
    if let Some(secret) = secret_of(id) {
        forms.push(id[HANDLE_CHARS..].to_owned());
        secrets.push(secret);
    }
    for secret in secrets {
        forms.extend([hex(&secret), hex(&secret).to_uppercase(), listed(&secret)]);
        forms.extend([BASE64_STANDARD.encode(&secret), BASE64_URL_SAFE_NO_PAD.encode(&secret)]);
    }
    forms
}

/// Makes every call with minted and with chosen IDs, so that it succeeds and so that it fails.
async fn do_everything(server: &Server, seen: &mut Seen, round: usize) {
    let mut stub = server.stub();
    let chosen = |name: &str| format!("chosen-{name}-{round}-Zx9yWq");
    let data = || Value::from(vec![u8::try_from(round).unwrap(); 30 << 10]);

    let minted = stub.create_session(CreateSessionRequest::new().attribute("large", data())).await.unwrap();
    let minted = seen.id(minted.into_inner().session_id);
    let first = seen.id(chosen("first"));
    stub.create_session(CreateSessionRequest::new().session_id(&first).principal("user")).await.unwrap();
    seen.refused(stub.create_session(CreateSessionRequest::new().session_id(&first)).await);

    for id in [&minted, &first] {
        stub.get_session(GetSessionRequest::new(id)).await.unwrap();
        stub.touch_session(TouchSessionRequest::new(id)).await.unwrap();
        let change = SessionChange::new().set("n", 1).set_label("device", "x");
        stub.update_session(UpdateSessionRequest::new(id, change.clone())).await.unwrap();
        seen.refused(stub.update_session(UpdateSessionRequest::new(id, change).if_version(9)).await);
        let both = SessionChange::new().set("n", 1).remove("n");
        seen.refused(stub.update_session(UpdateSessionRequest::new(id, both)).await);
        let too_large = SessionChange::new().set("n", vec![0; 300 << 10]);
        seen.refused(stub.update_session(UpdateSessionRequest::new(id, too_large)).await);
        // An ID in the wrong field.
        seen.refused(stub.delete_session(DeleteSessionRequest::by_handle(id)).await);
        let mut cancelled = Request::new(GetSessionRequest::new(id));
        cancelled.set_timeout(Duration::from_nanos(1));
        stub.get_session(cancelled).await.ok();
    }
    let grace = RotateSessionRequest::new(&minted).grace(Duration::from_secs(60));
    let next = seen.id(stub.rotate_session(grace).await.unwrap().into_inner().session_id);
    seen.refused(stub.update_session(UpdateSessionRequest::new(&minted, SessionChange::new())).await);
    let second = seen.id(chosen("second"));
    let onto_taken = RotateSessionRequest::new(&next).new_session_id(&first);
    seen.refused(stub.rotate_session(onto_taken).await);
    stub.rotate_session(RotateSessionRequest::new(&first).new_session_id(&second)).await.unwrap();
    seen.refused(stub.get_session(GetSessionRequest::new(&first)).await);

    let unknown = seen.id(chosen("unknown"));
    seen.refused(stub.get_session(GetSessionRequest::new(&unknown)).await);
    seen.refused(stub.delete_session(DeleteSessionRequest::by_id(&unknown)).await);
    let malformed = seen.id(format!("{} with spaces", chosen("malformed")));
    seen.refused(stub.get_session(GetSessionRequest::new(&malformed)).await);
    let upserted = seen.id(chosen("upserted"));
    stub.update_session(UpdateSessionRequest::new(&upserted, SessionChange::new()).upsert()).await.unwrap();

    for id in [&next, &second] {
        do_more(server, seen, id).await;
    }

    let client = server.client();
    seen.error(&client.get(&malformed).await.unwrap_err());
    seen.error(&client.touch(&unknown).await.unwrap_err());
    seen.error(&client.create(CreateSessionRequest::new().session_id(&second)).await.unwrap_err());
    // Some end by deletion, some by expiry, some stay.
    let short = Timeouts::new().idle(Duration::from_millis(20));
    let expiring = stub.create_session(CreateSessionRequest::new().timeouts(short)).await.unwrap();
    seen.id(expiring.into_inner().session_id);
    if round.is_multiple_of(2) {
        stub.delete_session(DeleteSessionRequest::by_id(&next)).await.unwrap();
        stub.delete_session(DeleteSessionRequest::by_id(&second)).await.unwrap();
    }
}

/// Makes the calls that return other secrets: tickets, lock tokens and CSRF tokens.
async fn do_more(server: &Server, seen: &mut Seen, id: &str) {
    let mut stub = server.stub();
    let issue = || IssueHandoffRequest::new(id, "shop");
    let (wrong, right) = (stub.issue_handoff(issue()).await.unwrap(), stub.issue_handoff(issue()).await.unwrap());
    let (wrong, right) = (seen.id(wrong.into_inner().ticket), seen.id(right.into_inner().ticket));
    let onto_itself = RedeemHandoffRequest::new(&right, "shop").new_session_id(id);
    seen.refused(stub.redeem_handoff(onto_itself).await);
    let redeemed = stub.redeem_handoff(RedeemHandoffRequest::new(&right, "shop")).await.unwrap();
    seen.id(redeemed.into_inner().session_id);
    seen.refused(stub.redeem_handoff(RedeemHandoffRequest::new(&right, "shop")).await);
    seen.refused(stub.redeem_handoff(RedeemHandoffRequest::new(&wrong, "another")).await);
    // One ticket is never redeemed, and one is used as an ID.
    let left = seen.id(stub.issue_handoff(issue()).await.unwrap().into_inner().ticket);
    seen.refused(stub.get_session(GetSessionRequest::new(&left)).await);

    let lock = stub.lock_session(LockSessionRequest::new(id)).await.unwrap();
    let lock = seen.id(lock.into_inner().lock_token);
    seen.refused(stub.lock_session(LockSessionRequest::new(id)).await);
    let update = || UpdateSessionRequest::new(id, SessionChange::new().set("n", 2)).lock_token(&lock);
    stub.update_session(update()).await.unwrap();
    stub.unlock_session(UnlockSessionRequest::new(id, &lock)).await.unwrap();
    seen.refused(stub.update_session(update()).await);

    let token = stub.issue_csrf_token(IssueCsrfTokenRequest::new(id)).await.unwrap();
    let token = seen.id(token.into_inner().token);
    stub.verify_csrf_token(VerifyCsrfTokenRequest::new(id, &token)).await.unwrap();
    stub.verify_csrf_token(VerifyCsrfTokenRequest::new(id, &left)).await.unwrap();
    stub.list_sessions(ListSessionsRequest::new().full()).await.unwrap();
    seen.refused(stub.list_sessions(ListSessionsRequest::new().page_token(id)).await);
    let malformed = seen.id(format!("{id} with spaces"));
    let batch = stub.batch_get_sessions(BatchGetSessionsRequest::new([id, &malformed, &left])).await.unwrap();
    seen.errors.push(format!("{:?}", batch.into_inner()));
    seen.refused(stub.revoke_sessions(RevokeSessionsRequest::by_handles([id])).await);
    seen.refused(stub.revoke_sessions(RevokeSessionsRequest::of_principal_except("user", &left)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_id_is_ever_written_down() {
    // Touches and the sweeper's work are logged and stored, too.
    let flags = ["--log", "trace,sled=trace", "--touch-interval", "100ms", "--sweep-interval", "100ms"];
    for format in ["json", "text"] {
        // The lines about calls are in the log, or else in a file of their own.
        let audit = tempfile::tempdir().unwrap();
        let audit_log = if format == "json" { audit.path().join("log") } else { "none".into() };
        let more = ["--log-format", format, "--access-log", "--audit-log", audit_log.to_str().unwrap()];
        let mut server = Server::start_with(&[&flags[..], &more].concat());
        let mut seen = Seen::default();
        for round in 0..6 {
            do_everything(&server, &mut seen, round).await;
        }
        server.kill();
        server.restart();
        do_everything(&server, &mut seen, 6).await;
        server.stop();

        let log = server.log() + &fs::read_to_string(&audit_log).unwrap_or_default();
        assert!(log.contains("RevokeSessions") && log.contains("sessiond::access"), "calls are told of");
        assert!(log.contains("created") && log.contains("rotated") && log.contains("deleted"), "the log is at work");
        assert!(log.to_lowercase().contains("trace"), "the log is at its lowest level");
        let errors = seen.errors.join("\n");
        let files: Vec<_> =
            files_below(&server.data()).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
        assert!(
            files.iter().any(|(bytes, _)| bytes.windows(6).any(|window| window == b"device")),
            "the files are at work"
        );
        let minted = seen.ids.iter().filter(|id| secret_of(id).is_some()).count();
        assert!(minted >= 3 * 7, "only {minted} IDs have the form of a minted one");
        let forms: Vec<_> = seen.ids.iter().flat_map(|id| forms(id)).map(String::into_bytes).collect();
        let finder = Finder::new(forms);
        assert_eq!(finder.look_before(log.as_bytes()), None, "the log tells an ID");
        assert_eq!(finder.look_before(errors.as_bytes()), None, "an error tells an ID");
        let raw = seen.ids.iter().flat_map(|id| {
            let text = id.as_bytes().to_vec();
            secret_of(id).into_iter().chain([text])
        });
        let finder = Finder::new(raw.collect());
        for (bytes, file) in &files {
            assert_eq!(finder.look_before(bytes), None, "{} holds an ID", file.display());
        }
    }
}

/// Finds many texts in much data at once.
struct Finder {
    wanted: Vec<Vec<u8>>,
    /// For each pair of bytes, the texts that begin with it.
    by_start: Vec<Vec<usize>>,
}

impl Finder {
    fn new(wanted: Vec<Vec<u8>>) -> Self {
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (number, text) in wanted.iter().enumerate() {
            by_start[usize::from(u16::from_be_bytes([text[0], text[1]]))].push(number);
        }
        Self { wanted, by_start }
    }

    /// What stands before the first text that is found.
    fn look_before(&self, data: &[u8]) -> Option<String> {
        let found = |at: usize| {
            let start = usize::from(u16::from_be_bytes([data[at], data[at + 1]]));
            self.by_start[start].iter().any(|number| data[at..].starts_with(&self.wanted[*number]))
        };
        let at = (0..data.len().saturating_sub(1)).find(|at| found(*at))?;
        Some(String::from_utf8_lossy(&data[at.saturating_sub(100)..at]).into_owned())
    }
}

#[test]
fn the_finder_finds() {
    let ids = forms("0192-some-session-id").into_iter().map(String::into_bytes);
    let finder = Finder::new(ids.collect());
    for form in forms("0192-some-session-id") {
        assert_eq!(finder.look_before(format!("id={form}").as_bytes()).as_deref(), Some("id="));
    }
    assert_eq!(finder.look_before(b"0192-some-other-session-id"), None);
}
