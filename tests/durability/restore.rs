//! Tests that a restore brings back what was saved: all of it or nothing.

use crate::common::backups::{back_up, names, restore, restored, run_backup, run_restore};
use crate::common::damage::{edit, flip_row};
use crate::common::tokens::{sequence_in, token_of};
use crate::common::{LONG, Server, after, binary, millis, run};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, EventKind, GetSessionRequest, IssueHandoffRequest,
    RedeemHandoffRequest, RotateSessionRequest, SessionChange, Timeouts, WatchSessionsRequest,
};
use sessiond_client::{Client, Error, Watch, WatchMessage};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

/// The next event of a watch.
async fn next_event(watch: &mut Watch) -> (u64, String) {
    loop {
        let message = tokio::time::timeout(LONG, watch.next()).await.unwrap().unwrap().unwrap();
        if let WatchMessage::Event(event) = message {
            return (sequence_in(&event.resume_token), event.session.handle);
        }
    }
}

fn of(principal: &str) -> CountSessionsRequest {
    CountSessionsRequest { principal: principal.to_owned(), ..CountSessionsRequest::default() }
}

async fn peek(client: &Client, id: &str) -> Result<sessiond_client::proto::Session, Error> {
    client.get(GetSessionRequest::new(id).peek()).await.map(|read| read.session)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back() {
    let server = Server::start_with(&["--touch-interval", "5m", "--sweep-interval", "10m"]);
    let (client, shop) = (server.client(), server.client_in("shop"));
    let timeouts = Timeouts::new().idle(Duration::from_secs(3_000)).absolute(Duration::from_secs(9_000));
    let rich = CreateSessionRequest::new().session_id("an-id-that-the-caller-chose").principal("ada");
    let rich = rich.label("device", "laptop").attribute("cart", vec![1, 2, 3]).timeouts(timeouts);
    shop.create(rich).await.unwrap();
    let large = CreateSessionRequest::new().attribute("large", vec![7; 200 << 10]);
    let large = client.create(large).await.unwrap().session_id;
    let old = client.create(CreateSessionRequest::new().session_id("an-old-id-that-was-chosen")).await.unwrap();
    let rotation = RotateSessionRequest::new(&old.session_id).grace(Duration::from_secs(60));
    let rotated = client.rotate(rotation.change(SessionChange::new().set_principal("bob"))).await.unwrap();
    let ticket = client
        .issue_handoff(IssueHandoffRequest::new(&large, "https://shop.example").lifetime(Duration::from_secs(300)));
    let ticket = ticket.await.unwrap().ticket;
    // The touch is only in the server's memory, because the interval for writing touches is long.
    after(millis(peek(&client, &large).await.unwrap().last_access_time)).await;
    client.touch(&large).await.unwrap();
    let ended = client.create(CreateSessionRequest::new()).await.unwrap();
    client.delete(&ended.session_id).await.unwrap();
    let short = Timeouts::new().idle(Duration::from_millis(1));
    let expired = client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap();
    after(millis(expired.session.expire_time)).await;

    let mut watch = client.watch(WatchSessionsRequest::new().all_namespaces().resume(token_of(2))).await.unwrap();
    let (backup, saved) = back_up(&client).await.unwrap();
    assert_eq!((saved.sessions, saved.events, saved.damaged_sessions), (4, sequence_in(&saved.resume_token), 0));
    let ids = ["an-id-that-the-caller-chose", &large, "an-old-id-that-was-chosen", &rotated.session_id, &ticket];
    for id in ids {
        let part = &id.as_bytes()[..16];
        assert!(!backup.windows(part.len()).any(|window| window == part), "an ID or a ticket stands in the backup");
    }

    let (mut copy, summary) = restored(&backup, &["--sweep-interval", "10m"]).await;
    assert_eq!(summary, saved);
    for again in [false, true] {
        if again {
            copy.kill();
            copy.restart();
        }
        let (here, here_shop) = (copy.client(), copy.client_in("shop"));
        for (there, here, id) in [
            (&shop, &here_shop, "an-id-that-the-caller-chose"),
            (&client, &here, &large),
            (&client, &here, "an-old-id-that-was-chosen"),
            (&client, &here, &rotated.session_id),
        ] {
            assert_eq!(peek(here, id).await.unwrap(), peek(there, id).await.unwrap());
        }
        for id in [&ended.session_id, &expired.session_id] {
            assert_eq!(peek(&here, id).await, Err(Error::SessionNotFound));
        }
        assert_eq!(here_shop.count(of("ada")).await, Ok(1));
        assert_eq!((here.count(of("bob")).await, here.count(of("")).await), (Ok(1), Ok(2)));
        let statistics = here.statistics().await.unwrap();
        // The sweeper may have removed the expired session already.
        assert!((3..=4).contains(&statistics.sessions), "{}", statistics.sessions);
        assert!(sequence_in(&statistics.resume_token) >= sequence_in(&saved.resume_token));
    }

    // A watcher of the first server goes on with the copy.
    let here = copy.client();
    let mut resumed = here.watch(WatchSessionsRequest::new().all_namespaces().resume(token_of(2))).await.unwrap();
    let mut last = 2;
    while last < sequence_in(&saved.resume_token) {
        let event = next_event(&mut watch).await;
        assert_eq!(next_event(&mut resumed).await, event);
        last = event.0;
    }
    let taken = CreateSessionRequest::new().session_id("an-old-id-that-was-chosen");
    assert_eq!(here.create(taken).await.map(drop), Err(Error::SessionIdTaken));
    let redeemed = here.redeem_handoff(RedeemHandoffRequest::new(&ticket, "https://shop.example")).await.unwrap();
    assert!(redeemed.session.attributes.contains_key("large"));
    assert!(next_event(&mut resumed).await.0 > last);
    let version = peek(&here, &rotated.session_id).await.unwrap().version;
    let updated = here.update(&rotated.session_id, SessionChange::new().set("more", 1)).await.unwrap();
    assert_eq!(updated.session.version, version + 1);
    // The expired session ends in the copy, too, with one event.
    here.sweep_now().await.unwrap();
    assert_eq!(here.statistics().await.unwrap().sessions, 3);
    let ends = WatchSessionsRequest::new().kind(EventKind::Expired).checkpoint_interval(Duration::from_millis(100));
    let mut ends = here.watch(ends.resume(token_of(sequence_in(&saved.resume_token)))).await.unwrap();
    assert_eq!(next_event(&mut ends).await.1, expired.session.handle);
    let more = tokio::time::timeout(LONG, ends.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(more, WatchMessage::Checkpoint(_)), "{more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_empty_or_forgets_restores_nothing() {
    let server = Server::start();
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let (backup, _) = back_up(&client).await.unwrap();
    let not_empty = |server: &Server| Err(Error::NotEmpty { address: server.address().to_owned() });
    assert_eq!(restore(&client, &backup).await.map(drop), not_empty(&server));
    // A server without sessions still has a history.
    client.delete(&id).await.unwrap();
    assert_eq!(restore(&client, &backup).await.map(drop), not_empty(&server));
    let forgetful = Server::start_with(&["--engine", "memory"]);
    let address = forgetful.address().to_owned();
    assert_eq!(restore(&forgetful.client(), &backup).await.map(drop), Err(Error::InMemory { address }));

    let fresh = Server::start();
    for broken in [&backup[..backup.len() - 1], &backup[..100], b"", b"no backup at all", &[&backup[..], b"x"].concat()]
    {
        let error = restore(&fresh.client(), broken).await.unwrap_err();
        assert!(matches!(error, Error::BackupInvalid { .. }), "{error}");
    }
    assert_eq!(names(&fresh.data()), ["clock", "lock", "sled"]);
    fresh.client().create(CreateSessionRequest::new()).await.unwrap();
    assert_eq!(restore(&fresh.client(), &backup).await.map(drop), not_empty(&fresh));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_session_is_named_and_the_rest_is_saved() {
    let mut server = Server::start();
    let client = server.client();
    let mut made = Vec::new();
    for _ in 0..20 {
        let created = client.create(CreateSessionRequest::new().attribute("a", 1)).await.unwrap();
        made.push((created.session.handle, created.session_id));
    }
    // Sessions come as they are stored. Those of one millisecond come in any order.
    made.sort();
    let (handles, ids): (Vec<String>, Vec<String>) = made.into_iter().unzip();
    server.stop();
    edit(&server.data(), |db| {
        let sessions = db.open_tree("sessions").unwrap();
        let (key, _) = sessions.iter().nth(7).unwrap().unwrap();
        flip_row(&sessions, &key);
    });
    server.restart();

    let (backup, saved) = back_up(&server.client()).await.unwrap();
    assert_eq!((saved.sessions, saved.damaged_sessions, &saved.damaged_handles[..]), (19, 1, &handles[7..8]));
    assert!(server.log().contains("a session is damaged and left out of the backup"));
    let file = server.data().join("backup");
    let cli = run_backup(&server, &file, &[]);
    assert_eq!(cli.code, Some(0), "{cli:?}");
    assert_eq!(cli.stderr, format!("sessiond: session {} is damaged and left out\n", handles[7]));
    let (copy, summary) = restored(&backup, &[]).await;
    assert_eq!((summary.sessions, summary.damaged_handles), (19, saved.damaged_handles));
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(peek(&copy.client(), id).await.is_ok(), number != 7, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_writes_files_with_care() {
    let server = Server::start();
    let id = server.client().create(CreateSessionRequest::new()).await.unwrap().session_id;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let first = run_backup(&server, &file, &["--json"]);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert!(first.stdout.contains("\"sessions\":1") && first.stdout.ends_with("}\n"), "{first:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let saved = fs::read(&file).unwrap();
    let again = run_backup(&server, &file, &[]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    assert!(again.stderr.contains("exists already") && again.stderr.contains("--force"), "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), saved);
    // The next run replaces what a killed run left.
    fs::write(folder.path().join("file.partial"), vec![0; 1 << 20]).unwrap();
    let forced = run_backup(&server, &file, &["--force"]);
    assert!(forced.code == Some(0) && forced.stdout.starts_with("saved "), "{forced:?}");
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(run_backup(&server, &folder.path().join("missing/file"), &[]).code, Some(1));

    let piped = binary().args(["backup", "-", "--addr", server.address()]).output().unwrap();
    assert!(piped.stdout.starts_with(b"sessiond backup\n") && piped.status.success());
    let target = folder.path().join("data");
    fs::write(folder.path().join("piped"), &piped.stdout).unwrap();
    let input = File::open(folder.path().join("piped")).unwrap();
    let from_pipe = run(binary().args(["restore", "-", "--data-dir"]).arg(&target).stdin(Stdio::from(input)));
    assert_eq!(from_pipe.code, Some(0), "{from_pipe:?}");
    assert_eq!(names(&target), ["clock", "lock", "sled"]);
    let twice = run_restore(&file, &target, &[]);
    assert!(twice.code == Some(1) && twice.stderr.contains("is not empty"), "{twice:?}");
    let in_use = run_restore(&file, &server.data(), &[]);
    assert!(in_use.code == Some(1) && in_use.stderr.contains("another process is using"), "{in_use:?}");
    let missing = run_restore(&folder.path().join("none"), &folder.path().join("new"), &[]);
    assert!(missing.code == Some(1) && missing.stderr.contains("can't read"), "{missing:?}");
    let online = Server::start();
    let online_run =
        run(binary().arg("restore").arg(&file).args(["--json", "--server", online.address()]).stdin(Stdio::null()));
    assert!(online_run.code == Some(0) && online_run.stdout.contains("\"sessions\":1"), "{online_run:?}");
    assert!(peek(&online.client(), &id).await.is_ok());
    let refused = run(binary().arg("restore").arg(&file).args(["--server", online.address()]));
    assert!(refused.code == Some(1) && refused.stderr.contains("holds sessions or events"), "{refused:?}");
    let nobody = run(binary().arg("backup").arg(folder.path().join("x")).args(["--addr", "127.0.0.1:1"]));
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no sessiond answers"), "{nobody:?}");
    assert!(!folder.path().join("x.partial").exists());
}

/// A backup file with this many sessions.
async fn saved_file(sessions: usize) -> (tempfile::TempDir, Vec<u8>) {
    let server = Server::start_with(&["--engine", "memory"]);
    let client = server.client();
    for number in 0..sessions {
        let new = CreateSessionRequest::new().session_id(format!("a-session-with-number-{number}"));
        client.create(new.attribute("text", "x".repeat(number % 3_000))).await.unwrap();
    }
    let (backup, _) = back_up(&client).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), &backup).unwrap();
    (folder, backup)
}

/// A random number below `end`.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// A server that starts after a killed restore holds all sessions or none, and nothing else is left.
async fn all_or_nothing(server: &mut Server, sessions: u64) -> bool {
    server.restart();
    assert_eq!(names(&server.data()), ["clock", "lock", "sled"]);
    let statistics = server.client().statistics().await.unwrap();
    assert!([0, sessions].contains(&statistics.sessions), "{}", statistics.sessions);
    if statistics.sessions > 0 {
        peek(&server.client(), &format!("a-session-with-number-{}", sessions - 1)).await.unwrap();
    }
    statistics.sessions > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_leaves_all_or_nothing() {
    const SESSIONS: u64 = 3_000;
    let (folder, _) = saved_file(3_000).await;
    let file = folder.path().join("file");
    let began = std::time::Instant::now();
    assert_eq!(run_restore(&file, &folder.path().join("whole"), &[]).code, Some(0));
    let usual = u64::try_from(began.elapsed().as_micros()).unwrap();
    let mut server = Server::start();
    for _ in 0..12 {
        server.kill();
        fs::remove_dir_all(server.data()).unwrap();
        let mut command = binary();
        command.arg("restore").arg(&file).arg("--data-dir").arg(server.data());
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not a wait for anything: where in its work the restore is killed is left to chance.
        tokio::time::sleep(Duration::from_micros(random(usual))).await;
        process.kill().unwrap();
        let finished = process.wait().unwrap().success();
        // A second restore finds nothing in its way, unless the first was complete.
        if random(2) == 0 {
            let second = run_restore(&file, &server.data(), &[]);
            assert!(second.code == Some(0) || second.stderr.contains("is not empty"), "{second:?}");
            assert!(all_or_nothing(&mut server, SESSIONS).await);
        } else {
            let all = all_or_nothing(&mut server, SESSIONS).await;
            assert!(all || !finished);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_restores_holds_all_or_nothing() {
    const SESSIONS: u64 = 3_000;
    let (folder, backup) = saved_file(3_000).await;
    let mut server = Server::start();
    let began = std::time::Instant::now();
    restore(&server.client(), &backup).await.unwrap();
    let usual = u64::try_from(began.elapsed().as_micros()).unwrap();
    for _ in 0..8 {
        server.kill();
        fs::remove_dir_all(server.data()).unwrap();
        server.restart();
        let (client, backup) = (server.client(), backup.clone());
        let restoring = tokio::spawn(async move { restore(&client, &backup).await });
        // Not a wait for anything: where in its work the server is killed is left to chance.
        tokio::time::sleep(Duration::from_micros(random(usual))).await;
        server.kill();
        let acknowledged = restoring.await.unwrap().is_ok();
        let all = all_or_nothing(&mut server, SESSIONS).await;
        assert!(all || !acknowledged, "what was acknowledged is lost");
        // What is left can be used: an empty server restores, a full one serves.
        if !all {
            restore(&server.client(), &fs::read(folder.path().join("file")).unwrap()).await.unwrap();
        }
        assert_eq!(server.client().statistics().await.unwrap().sessions, SESSIONS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_has_seen_more_than_the_backup_is_told() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..5 {
        client.create(CreateSessionRequest::new()).await.unwrap();
    }
    let (backup, saved) = back_up(&client).await.unwrap();
    for _ in 0..5 {
        client.create(CreateSessionRequest::new()).await.unwrap();
    }
    let ahead = sequence_in(&client.statistics().await.unwrap().resume_token);
    assert!(ahead > sequence_in(&saved.resume_token));
    let from = |sequence| WatchSessionsRequest::new().resume(token_of(sequence));

    let (mut copy, _) = restored(&backup, &[]).await;
    let (other, _) = restored(&backup, &[]).await;
    for again in [false, true] {
        if again {
            copy.kill();
            copy.restart();
        }
        let here = copy.client();
        here.create(CreateSessionRequest::new()).await.unwrap();
        let newest = sequence_in(&here.statistics().await.unwrap().resume_token);
        for sequence in [sequence_in(&saved.resume_token) + 1, ahead, ahead + (1 << 25), newest + 1] {
            assert_eq!(here.watch(from(sequence)).await.map(drop), Err(Error::EventsGone), "{sequence}");
        }
        for sequence in [2, sequence_in(&saved.resume_token), newest] {
            here.watch(from(sequence)).await.unwrap();
        }
        let mut resumed = here.watch(from(sequence_in(&saved.resume_token))).await.unwrap();
        assert!(next_event(&mut resumed).await.0 > ahead);
        // Two servers that were restored from one backup share no sequence numbers either.
        other.client().create(CreateSessionRequest::new()).await.unwrap();
        assert_eq!(other.client().watch(from(newest)).await.map(drop), Err(Error::EventsGone));
    }

    // A backup of a restored server holds the sequence gap.
    let (second, _) = back_up(&copy.client()).await.unwrap();
    let (copy, _) = restored(&second, &[]).await;
    copy.client().create(CreateSessionRequest::new()).await.unwrap();
    assert_eq!(copy.client().watch(from(ahead)).await.map(drop), Err(Error::EventsGone));
    copy.client().watch(from(sequence_in(&saved.resume_token))).await.unwrap();
}
