//! Tests what the server and the commands say about damage to each file of the data folder.

use crate::common::damage::check;
use crate::common::{Run, Server, binary, eventually, run};
use sessiond_client::Error;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange};
use std::fs;
use std::path::{Path, PathBuf};

/// The number of sessions that `fill` creates. With [`FILLING`] they take several segments of the log.
const SESSIONS: usize = 800;
const FILLING: usize = 9_000;

/// The flag that opens a folder without a sync watermark.
const UNMARKED: &str = "--accept-unmarked-data";

fn id(number: usize) -> String {
    format!("the-session-id-of-number-{number:04}")
}

/// Creates sessions whose content can be found on disk.
async fn fill(server: &Server) {
    let client = server.client();
    for number in 0..SESSIONS {
        let request = CreateSessionRequest::new().session_id(id(number)).attribute("name", format!("<<{number:04}>>"));
        client.create(request.attribute("filling", "z".repeat(FILLING))).await.unwrap();
    }
}

/// A folder whose log needs no replay at the next start.
async fn filled() -> Server {
    let mut server = Server::start_with(&["--durability", "none"]);
    fill(&server).await;
    server.stop();
    server.restart();
    server.stop();
    server
}

/// How many sessions read as they were created, and how many answer that they are damaged. Any other answer fails the
/// test.
async fn read_all(server: &Server) -> (usize, usize) {
    let client = server.client();
    let (mut right, mut damaged) = (0, 0);
    for number in 0..SESSIONS {
        match client.get(GetSessionRequest::new(id(number)).peek()).await {
            Ok(read) => {
                assert_eq!(read.session.attributes["name"].as_str(), Some(&format!("<<{number:04}>>")[..]));
                right += 1;
            }
            Err(Error::SessionCorrupt) => damaged += 1,
            Err(error) => panic!("{number}: {error:?}"),
        }
    }
    (right, damaged)
}

fn log_of(server: &Server) -> PathBuf {
    server.data().join("sled").join("db")
}

/// The redo log's file with the changes since the start.
fn redo_of(server: &Server) -> PathBuf {
    let files = crate::common::files_below(&server.data().join("sled"));
    let redo = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("redo.");
    // The empty file of the next generation is there, too.
    let newest = files.into_iter().filter(redo).max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    newest.unwrap()
}

fn snapshot_of(server: &Server) -> PathBuf {
    let files = crate::common::files_below(&server.data().join("sled"));
    files.into_iter().find(|path| path.to_string_lossy().contains("snap.")).unwrap()
}

/// Flips a bit in each occurrence of this byte string.
fn flip_each(path: &Path, wanted: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn verify(server: &Server) -> Run {
    run(binary().args(["verify", "--data-dir"]).arg(server.data()))
}

/// Asserts that the server refuses to start with one line that says what to do, and that verify says the same.
#[track_caller]
fn assert_refused(server: &mut Server, damage: &str) {
    let before = server.log().len();
    assert_eq!(server.try_restart(), Err(Some(1)));
    let log = server.log().split_off(before);
    let line = log.lines().last().unwrap();
    assert!(line.starts_with("sessiond: ") && line.contains(damage), "{log}");
    assert!(line.contains("sessiond salvage --data-dir") && line.contains("restore a backup"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let verified = verify(server);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains(damage), "{verified:?}");
}

/// Salvages the folder and starts a server with what was saved.
fn salvage(server: &Server, flags: &[&str], code: i32) -> (Server, Run) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command.args(["salvage", "--data-dir"]).arg(server.data()).arg("--to").arg(folder.path().join("data")).args(flags);
    let salvaged = run(&mut command);
    assert_eq!(salvaged.code, Some(code), "{salvaged:?}");
    (Server::start_in(folder, &[]), salvaged)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_file_may_hold_anything() {
    let mut server = filled().await;
    fs::write(server.data().join("lock"), "anything").unwrap();
    assert_eq!(verify(&server).code, Some(0));
    server.restart();
    assert_eq!(read_all(&server).await, (SESSIONS, 0));
    let used = verify(&server);
    assert!(used.code == Some(1) && used.stderr.contains("another process is using"), "{used:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_settings_of_sled_are_written_anew() {
    let mut server = filled().await;
    flip(&server.data().join("sled").join("conf"), 14);
    server.restart();
    assert_eq!(read_all(&server).await, (SESSIONS, 0));
    assert!(server.log().contains("sled's settings are damaged or unfinished"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_is_missing_or_damaged_is_refused() {
    let mut server = filled().await;
    let mark = server.data().join("sled/acknowledged");
    let whole = fs::read(&mark).unwrap();
    fs::write(&mark, "").unwrap();
    assert_refused(&mut server, "the file acknowledged is damaged");
    let (saved, salvaged) = salvage(&server, &["--doubtful"], 1);
    assert!(salvaged.stdout.contains("saved     800"), "{salvaged:?}");
    assert_eq!(read_all(&saved).await, (SESSIONS, 0));

    // One of the watermark's two copies is enough.
    fs::write(&mark, &whole).unwrap();
    flip(&mark, 3);
    server.restart();
    server.stop();
    fs::remove_file(&mark).unwrap();
    assert_refused(&mut server, "the file acknowledged is missing");
    server.restart_with(&[UNMARKED]);
    assert!(server.log().contains("there is no file acknowledged"));
    assert_eq!(read_all(&server).await, (SESSIONS, 0));
    server.stop();
    server.restart_with(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_refused_and_everything_is_salvaged() {
    let mut server = filled().await;
    flip(&snapshot_of(&server), 100);
    assert_refused(&mut server, "sled's snapshot is damaged");
    let (saved, salvaged) = salvage(&server, &[], 0);
    assert!(salvaged.stdout.contains("lost      0"), "{salvaged:?}");
    assert_eq!(read_all(&saved).await, (SESSIONS, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_log_is_no_empty_folder() {
    let mut server = filled().await;
    fs::remove_file(log_of(&server)).unwrap();
    assert_refused(&mut server, "sled's log is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_a_page_damages_its_sessions_alone() {
    let mut server = filled().await;
    flip_each(&log_of(&server), b"<<0003>>");
    let verified = verify(&server);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains("a server opens it  yes"), "{verified:?}");
    server.restart();
    let (right, damaged) = read_all(&server).await;
    assert!(damaged > 0 && damaged < 60 && right + damaged == SESSIONS, "{damaged} damaged");
    assert!(server.log().contains("the data is damaged in places"));

    let client = server.client();
    assert_eq!(client.statistics().await.unwrap().met_damage, damaged as u64);
    let checked = check(&client).await;
    assert_eq!((checked.sessions, checked.damaged_sessions), (right as u64, damaged as u64));
    assert!(checked.damaged_pages > 0 && !checked.is_whole(), "{checked:?}");
    let change = SessionChange::new().set("more", 1);
    assert_eq!(client.update(&id(3), change.clone()).await.unwrap_err(), Error::SessionCorrupt);
    client.update(&id(SESSIONS - 1), change).await.unwrap();
    let created = client.create(CreateSessionRequest::new()).await.unwrap();
    client.delete(&created.session_id).await.unwrap();
    server.stop();

    let (saved, salvaged) = salvage(&server, &[], 1);
    assert_eq!(salvaged.stdout.matches("  lost ").count(), damaged, "{salvaged:?}");
    let client = saved.client();
    assert_eq!(client.get(&id(3)).await.unwrap_err(), Error::SessionNotFound);
    assert_eq!(client.get(&id(SESSIONS - 1)).await.unwrap().session.attributes["more"].as_i64(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_the_history_keeps_no_old_event() {
    let mut server = Server::start_with(&["--durability", "none"]);
    let client = server.client();
    for number in 0..SESSIONS {
        // Events are compressed, so only rare content can be found on disk.
        let name = if number == 100 { "?Qx7@Zk!9" } else { "common" };
        let created = client.create(CreateSessionRequest::new().label("name", name)).await.unwrap();
        client.delete(&created.session_id).await.unwrap();
    }
    // The damage is in segments of sled's log far from the last one.
    server.stop();
    server.restart();
    fill(&server).await;
    let client = server.client();
    for _ in 0..2 * SESSIONS {
        client.create(CreateSessionRequest::new().attribute("filling", "z".repeat(FILLING))).await.unwrap();
    }
    server.stop();
    server.restart();
    server.stop();
    flip_each(&log_of(&server), b"?Qx7@Zk!9");
    // Without the watermark, the start can't begin the history anew, as it does after such damage.
    let mark = server.data().join("sled/acknowledged");
    fs::remove_file(&mark).unwrap();
    server.restart_with(&[UNMARKED]);
    let checked = check(&server.client()).await;
    assert!(checked.damaged_events == 1 && checked.events > SESSIONS as u64, "{checked:?}");
    server.stop();
    fs::remove_file(&mark).unwrap();
    server.restart_with(&["--event-history-age", "1s", UNMARKED]);
    let client = server.client();
    client.create(CreateSessionRequest::new()).await.unwrap();
    eventually("the old events are dropped", async || check(&client).await.events <= 1).await;
    assert_eq!(check(&client).await.damaged_events, 0);
    assert!(!server.log().contains("trimming the history"), "{}", server.log());
    // Events that could not be removed from the disk are as invisible as the other dropped ones.
    server.stop();
    fs::remove_file(&mark).unwrap();
    server.restart_with(&[UNMARKED]);
    let checked = check(&server.client()).await;
    assert!(checked.is_whole() && checked.events <= 1, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_what_was_acknowledged_since_the_start_is_no_torn_write() {
    let mut server = filled().await;
    server.restart_with(&[]);
    let client = server.client();
    for number in 0..20 {
        client.update(&id(number), SessionChange::new().set("late", "late".repeat(100))).await.unwrap();
    }
    client.delete(&id(30)).await.unwrap();
    server.kill();
    let log = redo_of(&server);
    let written = fs::read(&log).unwrap();
    // The damage is in the first change, and in the last.
    let end = written.iter().rposition(|byte| *byte != 0).unwrap();
    for at in [600, end] {
        flip(&log, at);
        assert_refused(&mut server, "where it holds changes that were acknowledged");
        let (saved, salvaged) = salvage(&server, &[], 1);
        match saved.client().get(&id(30)).await {
            Err(Error::SessionNotFound) => {}
            Ok(_) => panic!("a deleted session is back: {salvaged:?}"),
            Err(error) => panic!("{error:?}"),
        }
        drop(saved);
        // None of the attempts changed anything else.
        fs::write(&log, &written).unwrap();
    }
    fs::remove_file(&log).unwrap();
    assert_refused(&mut server, "is missing");
    fs::write(&log, &written).unwrap();
    assert_eq!(verify(&server).code, Some(0));
    server.restart();
    assert_eq!(server.client().get(&id(30)).await.unwrap_err(), Error::SessionNotFound);
    let read = server.client().get(&id(7)).await.unwrap();
    assert_eq!(read.session.attributes["late"].as_str(), Some(&"late".repeat(100)[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_takes_no_folder_that_holds_something() {
    let server = filled().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a-file"), "").unwrap();
    let mut command = binary();
    let refused = run(command.args(["salvage", "--data-dir"]).arg(server.data()).arg("--to").arg(folder.path()));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("is not empty"), "{refused:?}");
    let absent = run(binary().args(["verify", "--data-dir"]).arg(folder.path().join("absent")));
    assert!(absent.code == Some(1) && absent.stderr.contains("can't be read as a data folder"), "{absent:?}");
}
