//! Tests with a data folder in which a file is missing, or older or newer than the others, as after a bad copy. Nothing
//! that was ended comes back, nothing old counts as the newest, and the server says what may be missing.

use crate::common::{Run, Server, binary, run};
use serde_json::Value as Json;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange};
use sessiond_client::{Client, Error};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const SESSIONS: usize = 600;

/// Small, so that rows are written back into sled's log often.
const FLAGS: [&str; 2] = ["--cache-size", "1MiB"];

fn id(number: usize) -> String {
    format!("the-session-id-of-number-{number:04}")
}

fn new_id(number: usize) -> String {
    format!("the-rotated-id-of-number-{number:04}")
}

async fn fill(client: &Client) {
    for number in 0..SESSIONS {
        let request = CreateSessionRequest::new().session_id(id(number)).attribute("n", 0);
        client.create(request.attribute("filling", "z".repeat(number % 3_000))).await.unwrap();
    }
}

/// Ends, changes and rotates a third of the sessions.
async fn change(client: &Client, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        match number % 9 {
            0 => drop(client.delete(&id(number)).await.unwrap()),
            1 => drop(client.update(&id(number), SessionChange::new().set("n", 1)).await.unwrap()),
            2 => {
                let rotation = RotateSessionRequest::new(id(number)).new_session_id(new_id(number));
                drop(client.rotate(rotation).await.unwrap());
            }
            _ => {}
        }
    }
}

fn file(server: &Server, name: &str) -> PathBuf {
    server.data().join("sled").join(name)
}

fn redo_files(server: &Server) -> Vec<PathBuf> {
    let files = crate::common::files_below(&server.data().join("sled"));
    files.into_iter().filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("redo.")).collect()
}

fn verify(server: &Server) -> Run {
    run(binary().args(["verify", "--data-dir"]).arg(server.data()))
}

/// Salvages the folder. The result can't be complete here.
fn salvage(server: &Server, flags: &[&str]) -> (TempDir, Json) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command.args(["salvage", "--json", "--data-dir"]).arg(server.data()).arg("--to").arg(folder.path().join("data"));
    let salvaged = run(command.args(flags));
    assert_eq!(salvaged.code, Some(1), "{salvaged:?}");
    (folder, serde_json::from_str(&salvaged.stdout).unwrap())
}

#[track_caller]
fn assert_refused(server: &mut Server, damage: &str, remedy: &str) {
    let before = server.log().len();
    assert_eq!(server.try_restart(), Err(Some(1)), "{}", server.log().split_off(before));
    let log = server.log().split_off(before);
    let line = log.lines().last().unwrap();
    assert!(line.contains(damage) && line.contains(remedy) && !log.contains("panicked"), "{log}");
    let verified = verify(server);
    assert!(verified.code == Some(1) && verified.stdout.contains(damage), "{verified:?}");
}

/// Asserts that each changed session reads as it was changed last, or is missing.
async fn check(client: &Client) {
    for number in 0..SESSIONS {
        let read = client.get(GetSessionRequest::new(id(number)).peek()).await;
        let is_right = match (number % 9, &read) {
            (_, Err(error)) => *error == Error::SessionNotFound,
            (0 | 2, Ok(_)) => false,
            (1, Ok(read)) => read.session.attributes["n"].as_i64() == Some(1),
            (_, Ok(read)) => read.session.attributes["n"].as_i64() == Some(0),
        };
        assert!(is_right, "{number}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_under_newer_files_revives_nothing() {
    let mut in_doubt = 0;
    for restarts in 0..3 {
        let mut server = Server::start_with(&FLAGS);
        fill(&server.client()).await;
        if restarts == 2 {
            // All changes are made in the server's present run.
            change(&server.client(), 0..SESSIONS / 2).await;
            fs::copy(file(&server, "db"), file(&server, "db.older")).unwrap();
            change(&server.client(), SESSIONS / 2..SESSIONS).await;
            // This filling is large enough that all of the changes are written back.
            for _ in 0..SESSIONS {
                let request = CreateSessionRequest::new().attribute("filling", "z".repeat(3_000));
                server.client().create(request).await.unwrap();
            }
            server.kill();
        } else {
            server.stop();
            fs::copy(file(&server, "db"), file(&server, "db.older")).unwrap();
            server.restart();
            change(&server.client(), 0..SESSIONS).await;
            server.stop();
        }
        for _ in 0..restarts % 2 {
            server.restart();
            server.client().create(CreateSessionRequest::new()).await.unwrap();
            server.kill();
        }
        fs::rename(file(&server, "db.older"), file(&server, "db")).unwrap();
        assert_refused(&mut server, "sled", "sessiond salvage");
        let (folder, report) = salvage(&server, &[]);
        assert_eq!(report["unknown_losses"], true, "{restarts}: {report}");
        let saved = Server::start_in(folder, &[]);
        check(&saved.client()).await;
        // Doubtful sessions are saved, too, if the caller asks for them.
        let doubtful = report["doubtful"].as_array().unwrap().len();
        in_doubt += doubtful;
        let (_folder, all) = salvage(&server, &["--doubtful"]);
        assert_eq!(all["saved"].as_u64().unwrap(), report["saved"].as_u64().unwrap() + doubtful as u64);
    }
    assert!(in_doubt > 0, "nothing could be read of the older log");
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_tells_that_a_missing_log_took_sessions() {
    let mut server = Server::start_with(&FLAGS);
    fill(&server.client()).await;
    server.kill();
    fs::remove_file(file(&server, "db")).unwrap();
    assert_refused(&mut server, "sled's log is missing", "sessiond salvage");
    let (_folder, report) = salvage(&server, &[]);
    assert_eq!(report["unknown_losses"], true, "{report}");
    assert!(report["saved"].as_u64().unwrap() < SESSIONS as u64, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_data_and_without_a_mark_is_refused() {
    let mut server = Server::start_with(&FLAGS);
    fill(&server.client()).await;
    server.stop();
    server.restart();
    change(&server.client(), 0..SESSIONS).await;
    server.kill();
    let mark = fs::read(file(&server, "acknowledged")).unwrap();
    fs::remove_file(file(&server, "acknowledged")).unwrap();
    assert_refused(&mut server, "the file acknowledged is missing", "--accept-unmarked-data");
    let redo: Vec<_> = redo_files(&server).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    for (_, path) in &redo {
        fs::remove_file(path).unwrap();
    }
    assert_refused(&mut server, "the file acknowledged is missing", "--accept-unmarked-data");
    // All sessions that are left are doubtful.
    let (folder, report) = salvage(&server, &[]);
    assert_eq!((&report["saved"], &report["unknown_losses"]), (&0.into(), &true.into()), "{report}");
    drop(folder);
    // A folder that is complete again has no damage.
    fs::write(file(&server, "acknowledged"), mark).unwrap();
    for (content, path) in &redo {
        fs::write(path, content).unwrap();
    }
    server.restart();
    check(&server.client()).await;
    // An operator may accept the folder. The sync watermark is then created anew.
    server.stop();
    fs::remove_file(file(&server, "acknowledged")).unwrap();
    server.restart_with(&["--accept-unmarked-data"]);
    check(&server.client()).await;
    server.kill();
    server.restart_with(&[]);
    check(&server.client()).await;
}
