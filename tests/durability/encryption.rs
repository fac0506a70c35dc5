//! Tests of encryption at rest with real servers: kills while keys change, backups, salvage, and what is refused.

use crate::common::backups::{back_up, restore, run_backup, run_restore};
use crate::common::keys::{Key, KeyFile, new_key, shows};
use crate::common::{Run, Server, binary, eventually, run};
use crate::entry::Promise;
use crate::kill::{BUSY_UPKEEP, kill_and_change};
use crate::setting;
use sessiond_client::Client;
use sessiond_client::proto::{CreateSessionRequest, ListSessionsRequest};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What must not be seen in a file: an attribute, a principal, a label.
const SECRETS: [&[u8]; 3] = [b"confidential-attribute", b"confidential-principal", b"confidential-label"];

async fn create(client: &Client, sessions: usize) {
    for _ in 0..sessions {
        let request = CreateSessionRequest::new().principal("confidential-principal");
        let request = request.attribute("text", "confidential-attribute").label("device", "confidential-label");
        client.create(request).await.unwrap();
    }
}

async fn count(client: &Client) -> usize {
    let listed = client.list(ListSessionsRequest::new().principal("confidential-principal").page_size(1_000)).await;
    listed.unwrap().sessions.len()
}

/// Waits until all data is under this key.
async fn settled(client: &Client, key: &Key) {
    eventually("everything is encrypted anew", async || {
        let encryption = client.statistics().await.unwrap().encryption.unwrap();
        encryption.key == key.number && encryption.older_keys.is_empty() && !encryption.partly_plain
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_keys_change_lose_nothing() {
    let keys = [new_key(), new_key(), new_key()];
    // It begins in plain.
    let file = KeyFile::new(&["plain", &keys[0].line]);
    let flag = file.flag();
    let flags = [&BUSY_UPKEEP[..], &["--durability", "always", &flag]].concat();
    let change = |rng: &mut fastrand::Rng| {
        let mut lines: Vec<&str> = keys.iter().map(|key| &key.line[..]).collect();
        rng.shuffle(&mut lines);
        if rng.u8(..4) == 0 {
            lines.insert(0, "plain");
        }
        file.write(&lines);
    };
    let kills = setting("SESSIOND_KILLS", 20).div_ceil(2);
    kill_and_change("kills, keys", &flags, Promise::Everything, kills, 1..1_000, change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_and_old_keys_can_go() {
    let [first, second] = [new_key(), new_key()];
    let file = KeyFile::new(&[&first.line]);
    let mut server = Server::start_with(&[&file.flag(), "--cache-size", "1MiB"]);
    create(&server.client(), 300).await;
    let (backup, summary) = back_up(&server.client()).await.unwrap();
    assert_eq!((summary.sessions, summary.format_version), (300, 2));
    assert!(SECRETS.iter().all(|secret| !backup.windows(secret.len()).any(|window| window == *secret)));
    server.kill();
    assert!(SECRETS.iter().all(|secret| !shows(&server.data(), secret)), "after a kill");
    file.write(&[&second.line, &first.line]);
    server.restart();
    settled(&server.client(), &second).await;
    let log = server.log();
    assert!(log.contains(&format!("removable=\"{}\"", first.number)) || log.contains(&first.number), "{log}");
    assert!(![&first, &second].iter().any(|key| log.contains(&key.line[10..30])), "no key is logged");
    let stats = run(binary().args(["stats", "--addr", server.address()]));
    assert!(stats.stdout.contains(&format!("encryption    key {}\n", second.number)), "{}", stats.stdout);
    server.stop();
    file.write(&[&second.line]);
    server.restart();
    assert_eq!(count(&server.client()).await, 300);
    assert!(SECRETS.iter().all(|secret| !shows(&server.data(), secret)), "after a rotation");
    // The backup still needs the key under which it was made.
    server.kill();
    let empty = Server::start_with(&[&file.flag()]);
    let error = restore(&empty.client(), &backup).await.unwrap_err().to_string();
    assert!(error.contains(&format!("encrypted under the key {}, which the file", first.number)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_folder_becomes_an_encrypted_one_and_plain_again() {
    let key = new_key();
    let file = KeyFile::new(&[&key.line]);
    let mut server = Server::start_with(&["--cache-size", "1MiB"]);
    create(&server.client(), 300).await;
    server.stop();
    assert!(SECRETS.iter().all(|secret| shows(&server.data(), secret)), "the search is at work");
    server.restart_with(&[&file.flag(), "--cache-size", "1MiB"]);
    settled(&server.client(), &key).await;
    assert_eq!(count(&server.client()).await, 300);
    // A folder that a backup is restored into has no old copies.
    let (backup, _) = back_up(&server.client()).await.unwrap();
    let mut restored = Server::start_with(&[&file.flag()]);
    restore(&restored.client(), &backup).await.unwrap();
    restored.stop();
    assert!(SECRETS.iter().all(|secret| !shows(&restored.data(), secret)));
    server.stop();
    let refused = run(binary().args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(server.data()));
    assert_eq!((refused.code, refused.stderr.lines().count()), (Some(2), 1), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("name the file with the key {} with encryption-keys", key.number)));
    file.write(&["plain", &key.line]);
    server.restart();
    let client = server.client();
    eventually("everything is plain", async || client.statistics().await.unwrap().encryption.is_none()).await;
    server.stop();
    server.restart_with(&[]);
    assert_eq!(count(&server.client()).await, 300);
}

/// A command with these flags, which may make this folder.
type Command<'a> = &'a dyn Fn(&[&str], &Path) -> Run;

#[tokio::test(flavor = "multi_thread")]
async fn backups_and_commands_need_the_key() {
    let [key, other] = [new_key(), new_key()];
    let (file, wrong) = (KeyFile::new(&[&key.line]), KeyFile::new(&[&other.line]));
    let mut server = Server::start_with(&[&file.flag()]);
    create(&server.client(), 20).await;
    let temp = tempfile::tempdir().unwrap();
    let backup = temp.path().join("backup");
    assert_eq!(run_backup(&server, &backup, &[]).code, Some(0));
    server.stop();
    let data = server.data();
    let data = data.to_str().unwrap();
    let new = |name: &str| temp.path().join(name);

    let commands: [Command<'_>; 3] = [
        &|flags, _| run(binary().args(["verify", "--data-dir", data]).args(flags)),
        &|flags, to| run(binary().args(["salvage", "--data-dir", data, "--to"]).arg(to).args(flags)),
        &|flags, to| run_restore(&backup, to, flags),
    ];
    for (number, command) in commands.iter().enumerate() {
        let to = new(&format!("to-{number}"));
        let without = command(&[], &to);
        assert_eq!((without.code, without.stderr.lines().count()), (Some(1), 1), "{}", without.stderr);
        assert!(
            without.stderr.contains(&key.number) && without.stderr.contains("encryption-keys"),
            "{}",
            without.stderr
        );
        let with_other = command(&[&wrong.flag()], &to);
        assert_eq!((with_other.code, with_other.stderr.lines().count()), (Some(1), 1), "{}", with_other.stderr);
        assert!(with_other.stderr.contains(&format!("the key {}", key.number)), "{}", with_other.stderr);
        assert!(!to.exists(), "{}", to.display());
        let with = command(&[&file.flag()], &to);
        assert_eq!(with.code, Some(0), "{}", with.stderr);
        if to.exists() {
            assert!(SECRETS.iter().all(|secret| !shows(&to, secret)), "{}", to.display());
            let again = Server::start_with(&[&file.flag(), "--data-dir", to.to_str().unwrap()]);
            assert_eq!(count(&again.client()).await, 20);
        }
    }
}

#[test]
fn key_files_are_judged_before_anything_is_done() {
    let key = new_key();
    let file = KeyFile::new(&[&key.line]);
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let start = |flag: &str| {
        let Run { code, stderr, .. } =
            run(binary().args(["serve", "--listen", "127.0.0.1:0", flag, "--data-dir"]).arg(&data));
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains("--encryption-keys: ") && !data.exists(), "{stderr}");
        assert!(!stderr.contains(&key.line[9..]), "{stderr}");
        stderr
    };
    assert!(start("--encryption-keys=/nowhere/keys").contains("/nowhere/keys can't be read"));
    assert!(start(&format!("--encryption-keys={}", key.line)).contains("it is a key and not a file"));
    let list = |expected| {
        let listed = run(binary().args(["key", "list"]).arg(file.path()));
        assert_eq!(listed.code, Some(expected), "{}", listed.stderr);
        listed
    };
    assert_eq!(list(0).stdout, format!("{}  encrypts\n", key.number));
    fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
    assert!(start(&file.flag()).contains("is open to every user (mode 0644); take that away with chmod 0600"));
    list(2);
    file.write(&["# none"]);
    assert!(start(&file.flag()).contains("holds no key; make one with sessiond key create"));
    file.write(&[&key.line]);
    let refused = run(binary().args(["serve", "--engine", "memory", &file.flag()]));
    assert!(refused.code == Some(2) && refused.stderr.contains("the engine memory stores nothing to encrypt"));
}
