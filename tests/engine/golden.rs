//! Tests that data folders of earlier versions stay readable, exactly and for ever. Each folder `tests/golden/data-v*`
//! has one format. A killed server left it:
//!
//! 1. each row is stored in sled by itself;
//! 2. there is a redo log before sled, events are in blocks, and small rows in leaves.
//!
//! `SESSIOND_WRITE_GOLDEN=1 cargo test --test engine golden::` has made the last one. It never overwrites a folder.

use crate::common::Server;
use sessiond_client::Error;
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, ListSessionsRequest, RotateSessionRequest, SessionChange, Timeouts,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest time that a session may live: the golden sessions last until 2036.
const LONG_LIFE: Duration = Duration::from_secs(3_660 * 86_400);

const PLAIN: &str = "golden-session-id-plain";
const ROTATED: &str = "golden-session-id-rotated";
const ROTATED_FROM: &str = "golden-session-id-before-rotation";
const DELETED: &str = "golden-session-id-deleted";
const LARGE: &str = "golden-session-id-large";

/// The newest format.
const NEWEST: u32 = 2;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("golden").join(format!("data-v{version}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn new(id: &str) -> CreateSessionRequest {
    CreateSessionRequest::new().session_id(id).timeouts(Timeouts::new().idle(LONG_LIFE))
}

async fn write() {
    let mut server = Server::start();
    let client = server.client();
    let plain = new(PLAIN).principal("ada").label("device", "laptop");
    client.create(plain.attribute("theme", "dark").attribute("cart", 3).attribute("pi", 3.5)).await.unwrap();
    client.create(new(ROTATED_FROM).attribute("n", 0)).await.unwrap();
    client.create(new(DELETED)).await.unwrap();
    // Changes so far are in sled, and later ones in the redo log.
    server.stop();
    server.restart();
    let client = server.client();
    let change = SessionChange::new().set("n", 1).set_principal("ada");
    client.rotate(RotateSessionRequest::new(ROTATED_FROM).new_session_id(ROTATED).change(change)).await.unwrap();
    client.delete(DELETED).await.unwrap();
    client.create(new(LARGE).attribute("text", "0123456789".repeat(3_000))).await.unwrap();
    server.kill();
    copy(&server.data(), &golden(NEWEST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_each_format_reads_exactly() {
    if std::env::var_os("SESSIOND_WRITE_GOLDEN").is_some() && !golden(NEWEST).exists() {
        write().await;
    }
    for version in 1..=NEWEST {
        let folder = tempfile::tempdir().unwrap();
        copy(&golden(version), &folder.path().join("data"));
        let mut server = Server::start_in(folder, &[]);
        // The folder is read twice: as the old version left it, and as this version left it.
        for _ in 0..2 {
            check(&server).await;
            server.stop();
            server.restart();
        }
        assert!(!server.log().contains("ERROR"), "format {version}: {}", server.log());
    }
}

async fn check(server: &Server) {
    let client = server.client();
    let plain = client.get(GetSessionRequest::new(PLAIN).peek()).await.unwrap().session;
    assert_eq!((plain.principal.as_str(), plain.version), ("ada", 1));
    assert_eq!(plain.labels["device"], "laptop");
    assert_eq!(plain.attributes["theme"].as_str(), Some("dark"));
    assert_eq!(plain.attributes["cart"].as_i64(), Some(3));
    assert_eq!(plain.attributes["pi"].as_f64(), Some(3.5));
    assert_eq!(plain.attributes.len(), 3);

    let rotated = client.get(GetSessionRequest::new(ROTATED).peek()).await.unwrap().session;
    assert_eq!((rotated.principal.as_str(), rotated.attributes["n"].as_i64()), ("ada", Some(1)));
    let large = client.get(GetSessionRequest::new(LARGE).peek()).await.unwrap().session;
    assert_eq!(large.attributes["text"].as_str(), Some(&"0123456789".repeat(3_000)[..]));
    for gone in [ROTATED_FROM, DELETED] {
        assert_eq!(
            client.get(GetSessionRequest::new(gone).peek()).await.unwrap_err(),
            Error::SessionNotFound,
            "{gone}"
        );
    }
    let listed = client.list(ListSessionsRequest { principal: "ada".into(), ..ListSessionsRequest::default() }).await;
    let handles: Vec<String> = listed.unwrap().sessions.into_iter().map(|session| session.handle).collect();
    assert_eq!(handles, [rotated.handle, plain.handle]);
}
