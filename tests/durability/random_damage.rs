//! Tests that damaged files lose nothing silently. Bytes of the data folder are flipped, overwritten or cut off. Then
//! every session reads as it was acknowledged, or answers that it is damaged, or the server refuses to start and says
//! what to do. Nothing old is read, and nothing that was ended comes back. The same holds for what is salvaged.
//!
//! `SESSIOND_DAMAGES=300 cargo test --test durability random_damage::` tries more; `SESSIOND_DAMAGE_SEED` repeats a run.

use crate::common::damage::{self, Random};
use crate::common::keys::{KeyFile, new_key};
use crate::common::{Server, binary, run};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange,
};
use sessiond_client::{Client, Error};
use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::path::Path;
use tokio::task::JoinSet;

/// The number of rounds, unless `SESSIOND_DAMAGES` says otherwise.
const ROUNDS: usize = 15;

/// The number of changes sent at the same time, so that they share syncs.
const AT_ONCE: usize = 32;

/// A session as it was acknowledged.
#[derive(Clone, Debug)]
struct Entry {
    handle: String,
    id: String,
    /// The number in it; `None` once it was ended.
    value: Option<i64>,
    /// IDs that were rotated away.
    dead: Vec<String>,
}

/// What a check found.
#[derive(Debug, Default)]
struct Found {
    right: usize,
    damaged: usize,
    missing: BTreeSet<String>,
}

/// The sums over all rounds.
#[derive(Debug, Default)]
struct Sums {
    rounds: usize,
    started: usize,
    refused: usize,
    right: usize,
    damaged: usize,
    saved: usize,
    lost: usize,
    doubtful: usize,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} damages: {} starts with {} sessions right and {} DATA_LOSS, {} refusals; salvage saved {}, lost {}, doubted {}; \
             none wrong, revived or lost in silence",
            self.rounds, self.started, self.right, self.damaged, self.refused, self.saved, self.lost, self.doubtful
        )
    }
}

async fn change(client: Client, mut entry: Entry, choice: u64) -> Entry {
    let next = entry.value.unwrap() + 1;
    let value = SessionChange::new().set("n", next);
    match choice {
        0 => {
            client.delete(&entry.id).await.unwrap();
            entry.value = None;
            return entry;
        }
        1 => {
            let rotated = client.rotate(RotateSessionRequest::new(&entry.id).change(value)).await.unwrap();
            entry.dead.push(std::mem::replace(&mut entry.id, rotated.session_id));
        }
        2 => drop(client.update(&entry.id, value.set("large", "x".repeat(50_000))).await.unwrap()),
        _ => drop(client.update(&entry.id, value).await.unwrap()),
    }
    entry.value = Some(next);
    entry
}

async fn create(client: Client, number: usize, chosen: bool) -> Entry {
    let mut request = CreateSessionRequest::new().attribute("n", 0).attribute("filling", "y".repeat(number % 700));
    if chosen {
        request = request.session_id(format!("a-chosen-session-id-{number:08}"));
    }
    let created = client.create(request).await.unwrap();
    Entry { handle: created.session.handle.clone(), id: created.session_id, value: Some(0), dead: Vec::new() }
}

/// Creates sessions, and changes and ends some of the existing ones.
async fn work(server: &Server, random: &mut Random, ledger: &mut Vec<Entry>, steps: usize) {
    let client = server.client();
    for _ in 0..steps.div_ceil(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let live = ledger.iter().position(|entry| entry.value.is_some());
            let at = live.map(|first| first + usize::try_from(random.below((ledger.len() - first) as u64)).unwrap());
            match at {
                Some(at) if ledger[at].value.is_some() && random.below(3) > 0 => {
                    tasks.spawn(change(client.clone(), ledger.swap_remove(at), random.below(12)));
                }
                _ => {
                    let number = usize::try_from(random.below(100_000_000)).unwrap();
                    tasks.spawn(create(client.clone(), number, random.below(3) == 0));
                }
            }
        }
        ledger.extend(tasks.join_all().await);
    }
}

/// Asserts that every session is as it was acknowledged or answers `DATA_LOSS`. In a salvaged folder it may be missing
/// instead.
async fn check(server: &Server, ledger: &[Entry], salvaged: bool) -> Found {
    let client = server.client();
    let mut found = Found::default();
    for entry in ledger {
        for dead in &entry.dead {
            let read = client.get(GetSessionRequest::new(dead).peek()).await;
            assert!(read.is_err(), "a dead ID opens {entry:?}");
        }
        let read = client.get(GetSessionRequest::new(&entry.id).peek()).await;
        match (read, entry.value) {
            (Ok(read), Some(value)) => {
                assert_eq!(read.session.attributes["n"].as_i64(), Some(value), "old or wrong: {entry:?}");
                found.right += 1;
            }
            (Ok(read), None) => panic!("revived: {entry:?} {read:?}"),
            (Err(Error::SessionNotFound), None) => found.right += 1,
            (Err(Error::SessionNotFound), Some(_)) if salvaged => drop(found.missing.insert(entry.handle.clone())),
            (Err(error), _) if damage::is_data_loss(&error) && !salvaged => found.damaged += 1,
            (Err(error), _) => panic!("{error:?}: {entry:?}"),
        }
    }
    found
}

/// Asserts that the rest of the server works: a new session can be created and read, unless it belongs to a damaged
/// page.
async fn check_service(server: &Server) {
    let client = server.client();
    match client.create(CreateSessionRequest::new().attribute("n", 1)).await {
        Ok(created) => drop(client.get(&created.session_id).await.unwrap()),
        Err(error) => assert!(damage::is_data_loss(&error), "{error:?}"),
    }
    if let Err(error) = client.count(CountSessionsRequest::default()).await {
        assert!(damage::is_data_loss(&error), "{error:?}");
    }
}

/// Salvages a folder and checks what was saved.
async fn check_salvage(data: &Path, flags: &[&str], ledger: &[Entry], sums: &mut Sums) {
    let before = damage::contents(data);
    let folder = tempfile::tempdir().unwrap();
    let mut salvage = binary();
    salvage.args(["salvage", "--json", "--data-dir"]).arg(data).arg("--to").arg(folder.path().join("data")).args(flags);
    let run = run(&mut salvage);
    assert!(matches!(run.code, Some(0 | 1)) && !run.stderr.contains("panicked"), "{run:?}");
    assert!(damage::contents(data) == before, "salvage changed the old folder");
    let Ok(report) = serde_json::from_str::<serde_json::Value>(&run.stdout) else {
        panic!("salvage gave no report: {run:?}");
    };
    let handles = |name: &str| -> BTreeSet<String> {
        let handles = report[name].as_array().unwrap();
        handles.iter().map(|handle| handle.as_str().unwrap().to_owned()).collect()
    };
    let (lost, doubtful) = (handles("lost"), handles("doubtful"));
    assert_eq!(run.code == Some(0), lost.is_empty() && doubtful.is_empty() && report["unknown_losses"] == false);

    let saved = Server::start_in(folder, flags);
    let found = check(&saved, ledger, true).await;
    let told = |handle: &&String| lost.contains(*handle) || doubtful.contains(*handle);
    let untold: Vec<&String> = found.missing.iter().filter(|handle| !told(handle)).collect();
    assert!(untold.is_empty() || report["unknown_losses"] == true, "lost without a word: {untold:?}");
    let live = ledger.iter().filter(|entry| entry.value.is_some()).count();
    sums.saved += live - found.missing.len();
    sums.lost += lost.len();
    sums.doubtful += doubtful.len();
}

async fn round(random: &mut Random, sums: &mut Sums) {
    // Every other folder is encrypted.
    let keys = (sums.rounds % 2 == 1).then(|| KeyFile::new(&[&new_key().line]));
    let flag = keys.as_ref().map(KeyFile::flag);
    let flags: Vec<&str> = flag.iter().map(String::as_str).collect();
    let mut server = Server::start_with(&flags);
    let mut ledger = Vec::new();
    for _ in 0..random.below(3) {
        work(&server, random, &mut ledger, 400).await;
        if random.below(2) == 0 {
            server.stop();
        } else {
            server.kill();
        }
        server.restart();
    }
    work(&server, random, &mut ledger, 400).await;
    if random.below(2) == 0 {
        server.stop();
    } else {
        server.kill();
    }
    if random.below(2) == 0 {
        // Then the next start has nothing to replay, and damage is found when it is read.
        server.restart();
        server.stop();
    }
    let damages: Vec<String> = (0..=random.below(2)).map(|_| damage::damage(&server.data(), random)).collect();
    #[expect(clippy::print_stdout, reason = "shown if the test fails")]
    {
        println!("round {}: {} sessions, {damages:?}", sums.rounds, ledger.len());
    }
    sums.rounds += 1;

    check_salvage(&server.data(), &flags, &ledger, sums).await;
    let verified = run(binary().args(["verify", "--json", "--data-dir"]).arg(server.data()).args(&flags));
    assert!(matches!(verified.code, Some(0 | 1)) && !verified.stderr.contains("panicked"), "{verified:?}");
    let log_before = server.log().len();
    match server.try_restart() {
        Ok(()) => {
            sums.started += 1;
            let found = check(&server, &ledger, false).await;
            sums.right += found.right;
            sums.damaged += found.damaged;
            assert!(found.damaged == 0 || verified.code == Some(1), "verify overlooked damage: {verified:?}");
            check_service(&server).await;
            server.stop();
            // After another start, the findings and the changes since are the same.
            server.restart();
            let again = check(&server, &ledger, false).await;
            assert!(again.right >= found.right, "{found:?} {again:?}");
        }
        Err(code) => {
            sums.refused += 1;
            let log = server.log().split_off(log_before);
            assert_eq!(code, Some(1), "{log}");
            assert!(log.contains("sessiond salvage") && !log.contains("panicked"), "{log}");
            assert_eq!(verified.code, Some(1), "verify overlooked it: {verified:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_never_give_wrong_data_or_lose_it_in_silence() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let rounds = number("SESSIOND_DAMAGES").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    let seed = number("SESSIOND_DAMAGE_SEED").unwrap_or_else(Random::seed);
    #[expect(clippy::print_stdout, reason = "says what was tried, and how to repeat it")]
    {
        println!("SESSIOND_DAMAGE_SEED={seed}");
        let mut random = Random::new(seed);
        let mut sums = Sums::default();
        for _ in 0..rounds {
            round(&mut random, &mut sums).await;
        }
        println!("{sums}");
        // The damage leaves something to read.
        assert!(sums.saved > 0 && sums.right > 0, "{sums}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_folders_are_clean_after_a_stop_and_after_a_kill() {
    let mut random = Random::new(1);
    let mut server = Server::start();
    let mut ledger = Vec::new();
    for round in 0..6 {
        work(&server, &mut random, &mut ledger, 200).await;
        if round % 2 == 0 {
            server.stop();
        } else {
            server.kill();
        }
        let verified = run(binary().args(["verify", "--data-dir"]).arg(server.data()));
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let mut sums = Sums::default();
        check_salvage(&server.data(), &[], &ledger, &mut sums).await;
        assert_eq!((sums.lost, sums.doubtful), (0, 0), "{sums}");
        server.restart();
        let found = check(&server, &ledger, false).await;
        assert_eq!(found.right, ledger.len(), "{found:?}");
    }
}
