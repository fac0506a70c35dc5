//! A newer server takes over the folder of an older one under load: clients that repeat their calls notice nothing, and what the
//! older one has kept is there.

use crate::common::{LONG, Server, eventually};
use sessiond_client::RetryPolicy;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// A session in the folder of the oldest format, see `tests/engine/golden.rs`.
const KEPT: &str = "golden-session-id-plain";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_folder_is_taken_over_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("socket").display());
    let oldest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data-v1");
    copy(&oldest, &folder.path().join("data"));
    // They begin before anybody listens, as when the older server has just ended.
    let patient = RetryPolicy { attempts: 20, ..RetryPolicy::default() };
    let client = sessiond_client::Client::builder().address(&address).deadline(3 * LONG).retry(patient);
    let client = client.connect_lazy().unwrap();
    let (calls, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (client, calls, stop) = (client.clone(), Arc::clone(&calls), Arc::clone(&stop));
        callers.spawn(async move {
            let id = client.create(CreateSessionRequest::new()).await?.session_id;
            while stop.load(Ordering::Relaxed) == 0 {
                client.update(&id, SessionChange::new().set("n", 1)).await?;
                client.get(GetSessionRequest::new(KEPT).peek()).await?;
                calls.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, sessiond_client::Error>(())
        });
    }
    let mut server = Server::start_in(folder, &["--listen", &address]);
    eventually("calls are answered", async || calls.load(Ordering::Relaxed) > 100).await;
    stop.store(1, Ordering::Relaxed);
    for ended in callers.join_all().await {
        ended.expect("no call fails");
    }
    // What it has made of the folder, it reads again.
    server.stop();
    server.restart();
    let kept = server.client().get(GetSessionRequest::new(KEPT).peek()).await.unwrap();
    assert_eq!(kept.session.attributes["theme"].as_str(), Some("dark"));
}

/// Sessions that older servers have stored are sealed as they are written.
#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_of_the_oldest_folder_are_sealed_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data-v1"), &folder.path().join("data"));
    let mut server = Server::start_in(folder, &["--sealed"]);
    let mark = |server: &Server| fs::read(server.data().join("sled/acknowledged")).unwrap()[0];
    for sealed in [false, true] {
        let kept = server.client().get(GetSessionRequest::new(KEPT).peek()).await.unwrap().session;
        assert_eq!((kept.attributes["theme"].as_str(), kept.sealed), (Some("dark"), sealed));
        server.client().update(KEPT, SessionChange::new().set("n", 1)).await.unwrap();
        // Servers that know no sealed sessions don't know this format, and refuse the folder.
        assert_eq!(mark(&server), 4);
        server.kill();
        server.restart();
    }
    // The mark stays when the policy goes: some may still be sealed.
    server.stop();
    server.restart_with(&[]);
    let kept = server.client().get(GetSessionRequest::new(KEPT).peek()).await.unwrap().session;
    assert_eq!((kept.attributes["theme"].as_str(), kept.sealed, mark(&server)), (Some("dark"), true, 4));
}
