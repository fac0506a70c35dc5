//! Tests that only the server's own user can read its data, whatever the umask: every file of the data folder, a Unix
//! socket, and what a crash leaves.

use crate::common::{LONG, Server, binary, run};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit, umask};
use sessiond_client::proto::CreateSessionRequest;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

/// Sets a umask with which a program lets everyone read and its group write, unless it says otherwise. The servers inherit it, and the
/// other tests of this process: what everyone can write, servers do not read.
fn let_everyone_in() {
    umask(Mode::WOTH);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The folder and everything in it.
fn all_of(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(all_of(&path)) } else { all.push(path) }
    }
    all
}

#[track_caller]
fn assert_private(folder: &Path) {
    for path in all_of(folder) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{} has mode {:o}", path.display(), mode(&path));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_user_can_read_a_data_folder() {
    let_everyone_in();
    let mut server = Server::start();
    server.client().create(CreateSessionRequest::new().attribute("secret", "value")).await.unwrap();
    assert_private(&server.data());
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let saved = run(binary().args(["backup", "--addr", server.address()]).arg(&backup));
    assert_eq!(saved.code, Some(0), "{saved:?}");
    assert_eq!(mode(&backup), 0o600);
    server.stop();
    assert_private(&server.data());
    let [salvaged, restored] = ["salvaged", "restored"].map(|name| folder.path().join(name));
    let run_salvage = run(binary().arg("salvage").arg("--data-dir").arg(server.data()).arg("--to").arg(&salvaged));
    assert_eq!(run_salvage.code, Some(0), "{run_salvage:?}");
    assert_private(&salvaged);
    let run_restore = run(binary().arg("restore").arg(&backup).arg("--data-dir").arg(&restored));
    assert_eq!(run_restore.code, Some(0), "{run_restore:?}");
    assert_private(&restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_could_read_is_closed_to_them() {
    let_everyone_in();
    let mut server = Server::start();
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.kill();
    for path in all_of(&server.data()) {
        let wide = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(wide)).unwrap();
    }
    server.restart();
    assert_private(&server.data());
    assert!(server.log().contains("others could read this"), "{}", server.log());
    server.stop();
    // A folder that holds anything else also belongs to someone else.
    fs::write(server.data().join("notes"), "").unwrap();
    fs::set_permissions(server.data(), Permissions::from_mode(0o755)).unwrap();
    server.restart();
    assert_eq!(mode(&server.data()), 0o755);
    assert_private(&server.data().join("sled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_lets_in_whom_its_mode_names() {
    let_everyone_in();
    for (flags, wanted) in [(&[][..], 0o600), (&["--socket-mode", "0660"], 0o660), (&["--socket-mode", "777"], 0o777)] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let address = format!("unix:{}", socket.display());
        let server = Server::start_in(folder, &[&["--listen", &address], flags].concat());
        assert_eq!(mode(&socket), wanted, "{flags:?}");
        server.client().create(CreateSessionRequest::new()).await.unwrap();
    }
    for (wrong, message) in
        [("0060", "not a mode from 0600 to 0777"), ("rw", "not a mode in octal"), ("1777", "0600 to 0777")]
    {
        let refused = run(binary().args(["serve", "--socket-mode", wrong]));
        assert!(refused.code == Some(2) && refused.stderr.contains(message), "{refused:?}");
        assert!(refused.stderr.contains("--socket-mode"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_writes_no_core_file() {
    let limit = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let mut server = Server::start();
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.signal(Signal::ABORT);
    let status = server.wait(LONG);
    assert!(status.signal().is_some() && !status.core_dumped(), "{status:?}");
}
