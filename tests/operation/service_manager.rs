//! Tests of what a service manager and the server tell each other.

use crate::common::notify_socket::NotifySocket;
use crate::common::tls::Certificates;
use crate::common::{LONG, Run, Server, binary, read_banner, run, wait_for_exit};
use rustix::process::{Pid, Signal, kill_process};
use sessiond_client::proto::CreateSessionRequest;
use sessiond_client::{Client, ClientBuilder, Health};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_told_when_sessions_are_served_and_stopping_when_they_are_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = NotifySocket::bind(&path);
    let environment = vec![variable("NOTIFY_SOCKET", path.to_str().unwrap())];
    let mut server = Server::start_under(folder, environment, &[]);

    let messages = manager.wait_for("READY=1");
    let (ready, before) = messages.split_last().unwrap();
    assert_eq!(*ready, format!("STATUS=serving on {}\nREADY=1\n", server.address()));
    // A folder may be open before there was time to say that it is being opened.
    assert!(before.is_empty() || *before == ["STATUS=opening the data\n"], "{messages:?}");
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.stop();
    assert_eq!(manager.wait_for("STOPPING=1"), ["STATUS=draining\nSTOPPING=1\n"]);
    assert_eq!(manager.next(Duration::from_millis(100)), None);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_hears_of_the_server_at_a_socket_without_a_file() {
    let name = format!("sessiond-test-{}", std::process::id());
    let manager = NotifySocket::bind_abstract(&name);
    let environment = vec![variable("NOTIFY_SOCKET", &format!("@{name}")), variable("WATCHDOG_USEC", "200000")];
    let server = Server::start_under(tempfile::tempdir().unwrap(), environment, &[]);
    manager.wait_for("READY=1");
    for _ in 0..3 {
        assert_eq!(manager.wait_for("WATCHDOG=1"), ["WATCHDOG=1\n"]);
    }
    drop(server);
}

#[test]
fn the_watchdog_of_another_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = NotifySocket::bind(&path);
    let socket = variable("NOTIFY_SOCKET", path.to_str().unwrap());
    let environment = vec![socket, variable("WATCHDOG_USEC", "200000"), variable("WATCHDOG_PID", "1")];
    let server = Server::start_under(folder, environment, &[]);
    manager.wait_for("READY=1");
    assert_eq!(manager.next(Duration::from_secs(1)), None);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_that_is_gone_is_no_reason_to_fail() {
    let folder = tempfile::tempdir().unwrap();
    let environment = vec![variable("NOTIFY_SOCKET", folder.path().join("gone").to_str().unwrap())];
    let mut server = Server::start_under(folder, environment, &[]);
    assert_eq!(server.client().health("").await.unwrap(), Health::Serving);
    server.stop();
    assert!(server.log().contains("the service manager does not listen"), "{}", server.log());
}

/// The server with a socket that was bound for it; without a `listen` of its own it would take the default port.
fn with_socket(socket: OwnedFd, flags: &[&str], data: &Path) -> Command {
    let mut command = Command::new("sh");
    let pass = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve \"$@\"";
    command.args(["-c", pass]).arg(binary().get_program()).args(flags).arg("--data-dir").arg(data);
    command.env_clear().stdin(socket).stderr(Stdio::null());
    command
}

/// Starts the server so, creates a session at this address, and ends the server.
async fn serves(socket: OwnedFd, address: &str) {
    serves_with(socket, &[], address, Client::builder().address(address)).await;
}

async fn serves_with(socket: OwnedFd, flags: &[&str], address: &str, client: ClientBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = with_socket(socket, flags, &folder.path().join("data"));
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let banner = read_banner(&mut process).unwrap();
    let client = client.deadline(LONG).connect_lazy().unwrap();
    let created = client.create(CreateSessionRequest::new()).await;
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    let status = wait_for_exit(&mut process, LONG).unwrap();
    created.unwrap();
    assert_eq!(status.code(), Some(0));
    let listening = banner.lines().filter_map(|line| line.trim().strip_prefix("listening"));
    assert_eq!(listening.map(str::trim).collect::<Vec<_>>(), [address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_socket_that_is_passed_is_served_instead_of_the_setting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    serves(listener.into(), &address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_socket_that_is_passed_speaks_tls_if_the_setting_does() {
    let files = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let flags = files.server_flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let client = Client::builder().address(format!("https://{address}")).tls(files.client());
    serves_with(listener.into(), &flags, &format!("tls://{address}"), client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_that_is_passed_is_served_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    serves(listener.into(), &format!("unix:{}", path.display())).await;
    assert!(path.exists(), "its file belongs to whoever bound it");
}

#[track_caller]
fn refused(socket: OwnedFd, flags: &[&str], part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = with_socket(socket, flags, &folder.path().join("data"));
    let Run { code, stderr, .. } = run(&mut command);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.starts_with("sessiond: ") && stderr.contains("listen") && stderr.contains(part), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_passed_socket_that_others_can_reach_is_refused() {
    refused(TcpListener::bind("0.0.0.0:0").unwrap().into(), &[], "is not a loopback address and there is no TLS");
    let files = Certificates::new();
    let flags = files.server_flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    refused(TcpListener::bind("0.0.0.0:0").unwrap().into(), &flags, "would serve whoever reaches it");
}

#[test]
fn what_is_no_socket_to_listen_on_is_refused() {
    let datagram = std::os::unix::net::UnixDatagram::unbound().unwrap();
    refused(datagram.into(), &[], "neither a TCP socket nor a Unix stream socket");
    refused(std::fs::File::open("/dev/null").unwrap().into(), &[], "neither a TCP socket nor a Unix stream socket");
}
