//! Tests of the server's start: an error is one line that names the setting and the remedy, and the start repairs what
//! a crash leaves behind.

use crate::common::{Run, Server, binary, eventually, read_banner, run};
use sessiond_client::proto::CreateSessionRequest;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs `sessiond serve`, which must refuse: code 2, nothing on standard output, and one line on standard error.
#[track_caller]
fn refused(arguments: &[&str], environment: &[(&str, &str)], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command.current_dir(folder.path()).arg("serve").args(arguments).envs(environment.iter().copied());
    let Run { code, stdout, stderr } = run(&mut command);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("sessiond: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is missing in: {stderr}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_wrong_flag_is_named() {
    refused(&["--data-dri", "x"], &[], &["unknown flag", "--data-dri", "did you mean", "--data-dir"]);
    refused(&["--drain-timeout", "soon"], &[], &["--drain-timeout", "\"soon\" is not a duration", "30s"]);
    refused(&["--durability", "maybe"], &[], &["--durability", "maybe", "always"]);
    refused(&["--max-connections", "0"], &[], &["--max-connections", "below the allowed 1"]);
}

#[test]
fn an_address_that_is_taken_is_named_with_who_has_it() {
    let (folder, other) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let taken = other.local_addr().unwrap().to_string();
    refused(&["--listen", &taken], &[], &[&taken, "another process listens there"]);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&["--listen", &format!("unix:{}", text(&file))], &[], &["a file that is no socket is there; move it away"]);
    assert!(file.exists());
    let twice = format!("{taken},{taken}");
    refused(&["--listen", &twice], &[], &["--listen", &format!("{taken} is in listen already; leave it out")]);
    let both = ["--listen", &taken, "--metrics-listen", &taken];
    refused(&both, &[], &["--metrics-listen", &format!("{taken} is in listen already")]);
}

#[test]
fn a_wrong_variable_is_named() {
    refused(&[], &[("SESSIOND_DRAIN_TIMEOUT", "soon")], &["SESSIOND_DRAIN_TIMEOUT", "is not a duration"]);
    refused(&[], &[("SESSIOND_DURABILTY", "none")], &["SESSIOND_DURABILTY", "did you mean \"SESSIOND_DURABILITY\""]);
}

#[test]
fn a_wrong_file_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessiond.toml");
    fs::write(&file, "durabilty = \"none\"\n").unwrap();
    refused(&["--config", text(&file)], &[], &["sessiond.toml", "durabilty", "did you mean \"durability\""]);
    fs::write(&file, "drain-timeout = \"soon\"\n").unwrap();
    refused(&["--config", text(&file)], &[], &["drain-timeout", "sessiond.toml", "is not a duration"]);
    fs::remove_file(&file).unwrap();
    refused(&["--config", text(&file)], &[], &["--config", "sessiond.toml", "name a TOML file"]);
}

#[test]
fn a_log_filter_that_means_nothing_is_refused() {
    refused(&["--log", "sessiond=loud"], &[], &["--log", "write for example debug"]);
}

#[test]
fn listening_beyond_loopback_has_to_be_allowed() {
    refused(&["--listen", "0.0.0.0:0"], &[], &["--listen", "0.0.0.0:0", "no TLS", "--allow-plaintext"]);
    let server = Server::start_with(&["--listen", "0.0.0.0:0", "--allow-plaintext", "--allow-anonymous"]);
    assert!(server.address().starts_with("0.0.0.0:"), "{}", server.banner());
}

#[test]
fn a_file_in_the_way_of_the_data_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("occupied");
    fs::write(&file, "").unwrap();
    refused(&["--data-dir", text(&file)], &[], &["--data-dir", "occupied", "choose another folder"]);
}

#[test]
fn a_failed_start_leaves_no_folder_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let socket = format!("unix:{}", text(&folder.path().join("socket")));
    let listen = ["--listen", &socket, "--listen", &taken, "--data-dir", text(&data)];
    refused(&listen, &[], &["another process listens there"]);
    // The other commands that create a folder don't leave one either.
    let no_backup = folder.path().join("no-backup");
    fs::write(&no_backup, "anything").unwrap();
    let restored = run(binary().arg("restore").arg(&no_backup).arg("--data-dir").arg(&data));
    assert_eq!(restored.code, Some(1), "{restored:?}");
    let old = folder.path().join("old");
    fs::create_dir_all(old.join("sled/acknowledged")).unwrap();
    let salvaged = run(binary().arg("salvage").arg("--data-dir").arg(&old).arg("--to").arg(&data));
    assert_eq!(salvaged.code, Some(1), "{salvaged:?}");
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["no-backup", "old"]);
}

#[test]
fn a_data_folder_in_use_is_left_to_its_owner() {
    let server = Server::start();
    let data = server.data();
    refused(&["--listen", "127.0.0.1:0", "--data-dir", text(&data)], &[], &["--data-dir", "another process is using"]);
}

#[test]
fn a_port_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    refused(&["--listen", &address], &[], &["--listen", &address, "another process listens there"]);
}

#[test]
fn a_socket_in_a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", text(&folder.path().join("missing/socket")));
    refused(&["--listen", &socket], &[], &["--listen", &socket, "the folder of the socket does not exist"]);
}

#[test]
fn the_banner_says_where_and_what_is_promised() {
    let server = Server::start_with(&["--durability", "interval", "--flush-interval", "2s"]);
    let banner = server.banner();
    assert!(banner.starts_with(&format!("sessiond {} is ready\n", env!("CARGO_PKG_VERSION"))), "{banner}");
    let port = server.address().strip_prefix("127.0.0.1:").unwrap().parse::<u16>().unwrap();
    assert_ne!(port, 0);
    assert!(banner.contains(&format!("data        {}\n", text(&server.data()))), "{banner}");
    assert!(banner.contains("durability  interval: ") && banner.contains("the last 2s"), "{banner}");
}

#[test]
fn the_settings_can_be_shown_with_their_origins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessiond.toml");
    fs::write(&file, "workers = 3\ndurability = \"interval\"\n").unwrap();
    let mut command = binary();
    command.args(["config", "--log", "debug", "--config", text(&file)]).env("SESSIOND_DURABILITY", "none");
    let Run { code, stdout, stderr } = run(&mut command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let row = |name: &str| {
        let row = stdout.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("log"), "log debug flag --log");
    assert_eq!(row("durability"), "durability none environment SESSIOND_DURABILITY");
    assert_eq!(row("workers"), format!("workers 3 file {}", text(&file)));
    assert_eq!(row("idle-timeout"), "idle-timeout 24h default");
}

/// Starts a server in a shell that has limited its open files.
fn start_limited(limit: &str, folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(binary().get_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--data-dir", text(&folder.join("data"))]);
    let log = fs::File::create(folder.join("log")).unwrap();
    command.env_clear().stdout(Stdio::piped()).stderr(log).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_for_all_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start_limited("ulimit -S -n 40", folder.path());
    let banner = read_banner(&mut process).unwrap();
    let address = banner.lines().find_map(|line| line.trim().strip_prefix("listening")).unwrap().trim();
    let connections: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let open = PathBuf::from(format!("/proc/{}/fd", process.id()));
    eventually("all are open", async || fs::read_dir(&open).unwrap().count() > connections.len()).await;
    process.kill().unwrap();
    process.wait().unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("open files"), "{log}");
}

#[test]
fn a_hard_limit_of_open_files_that_is_too_low_is_told_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start_limited("ulimit -S -n 40; ulimit -H -n 200", folder.path());
    let banner = read_banner(&mut process);
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(banner.is_some(), "{log}");
    let row = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(row.split_whitespace().nth(3), Some("200"), "{row}");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("open files")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    for part in ["WARN", "max-connections = 10000 needs", "no more than 200", "LimitNOFILE="] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[test]
fn without_a_command_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    let data = folder.path().join("data");
    command.env("SESSIOND_LISTEN", "127.0.0.1:0").env("SESSIOND_DATA_DIR", &data);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let banner = read_banner(&mut process);
    process.kill().unwrap();
    process.wait().unwrap();
    let banner = banner.unwrap();
    assert!(banner.contains("listening   127.0.0.1:") && banner.contains(text(&data)), "{banner}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_served_and_the_one_a_crash_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let address = format!("unix:{}", text(&socket));
    let mut server = Server::start_in(folder, &["--listen", &address]);
    assert_eq!(server.address(), address);
    let created = server.client().create(CreateSessionRequest::new()).await.unwrap();

    server.kill();
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket(), "a crash leaves the socket behind");
    server.restart();
    let read = server.client().get(&created.session_id).await.unwrap();
    assert_eq!(read.session.handle, created.session.handle);

    server.stop();
    assert!(!socket.exists(), "an orderly end removes the socket");
}

#[test]
fn a_socket_in_use_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", text(&folder.path().join("socket")));
    let server = Server::start_in(folder, &["--listen", &address]);
    refused(&["--listen", server.address()], &[], &["--listen", server.address(), "another process listens there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_was_interrupted_is_repaired() {
    let mut server = Server::start();
    let created = server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.kill();
    let unfinished = server.data().join("sled/snap.0000000000000123.generating");
    fs::write(&unfinished, "half a snapshot").unwrap();

    server.restart();
    assert!(!unfinished.exists());
    server.client().get(&created.session_id).await.unwrap();
    eventually("the repair is logged", async || server.log().contains("an earlier start was interrupted")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_addresses_are_served_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", text(&folder.path().join("socket")));
    let server = Server::start_in(folder, &["--listen", "127.0.0.1:0", "--listen", &socket]);
    let created = server.client().create(CreateSessionRequest::new()).await.unwrap();
    let by_socket = server.client_builder().address(&socket).connect_lazy().unwrap();
    by_socket.get(&created.session_id).await.unwrap();
}
