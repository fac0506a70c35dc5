//! A real server process, and what tests do with it.

#![allow(dead_code, reason = "each test file uses another part of the harness")]
#![allow(clippy::unwrap_used, reason = "a harness that can't do its work fails the test")]

pub(crate) mod access;
pub(crate) mod backups;
pub(crate) mod damage;
pub(crate) mod faketime;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod notify_socket;
pub(crate) mod raw;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod wire;

use rustix::process::{Pid, Signal, kill_process};
use sessiond::clock::{Clock, Millis};
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::{Client, ClientBuilder, RetryPolicy, Timestamp};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

/// How long anything may take on a busy machine before a test gives up.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// The settings file in a server's folder.
const CONFIG: &str = "sessiond.toml";

/// A running server with its own folder. Dropping it kills the process and removes the folder.
pub(crate) struct Server {
    process: Child,
    flags: Vec<String>,
    /// Variables of its environment; it has no others.
    environment: Vec<(String, String)>,
    folder: TempDir,
    banner: String,
}

impl Server {
    /// A server with the default settings on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with these flags besides those that name the address and the folder; `--listen` replaces the
    /// address, `--data-dir` the data folder.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags)
    }

    /// A server in a prepared folder: `data` in it is the data folder, `log` receives the log.
    pub(crate) fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        Self::start_under(folder, Vec::new(), flags)
    }

    /// The same with an environment.
    pub(crate) fn start_under(folder: TempDir, environment: Vec<(String, String)>, flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let (process, banner) = launch_ready(&folder, &environment, &flags);
        Self { process, flags, environment, folder, banner }
    }

    /// A server with these flags and with a file of settings; see [`configure`](Self::configure).
    pub(crate) fn start_configured(config: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(CONFIG);
        fs::write(&file, config).unwrap();
        Self::start_in(folder, &[&["--config", file.to_str().unwrap()], flags].concat())
    }

    /// Replaces the file of settings, for the next start.
    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.folder.path().join(CONFIG), config).unwrap();
    }

    /// Starts the server again, on the same folder and with the same flags; it must have ended.
    pub(crate) fn restart(&mut self) {
        (self.process, self.banner) = launch_ready(&self.folder, &self.environment, &self.flags);
    }

    /// Starts the server again, which may refuse; then its exit code is returned.
    pub(crate) fn try_restart(&mut self) -> Result<(), Option<i32>> {
        let (process, banner) = launch(&self.folder, &self.environment, &self.flags);
        self.process = process;
        self.banner = banner.ok_or_else(|| self.wait(LONG).code())?;
        Ok(())
    }

    /// Starts the server again with other flags; it must have ended.
    pub(crate) fn restart_with(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.restart();
    }

    /// What the server said on standard output when it was ready.
    pub(crate) fn banner(&self) -> &str {
        &self.banner
    }

    /// Where the server listens, as clients take it.
    pub(crate) fn address(&self) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("listening"));
        line.map(str::trim).expect("the banner names the address")
    }

    /// Where it answers scrapes and probes; it must have been told to.
    pub(crate) fn metrics_address(&self) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("metrics"));
        line.map(str::trim).expect("the banner names the address")
    }

    /// Where it serves the console; it must have been told to.
    pub(crate) fn console_address(&self) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("console"));
        let page = line.map(str::trim).expect("the banner names the page");
        page.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/')
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// All that it has logged, since its first start.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    /// A client with a connection of its own and a deadline that only a broken server misses. It repeats nothing.
    pub(crate) fn client(&self) -> Client {
        self.client_builder().connect_lazy().unwrap()
    }

    /// The settings of [`client`](Self::client), to be changed.
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        Client::builder().address(self.address()).deadline(LONG).retry(RetryPolicy::never())
    }

    /// A client of another namespace than "default".
    pub(crate) fn client_in(&self, namespace: &str) -> Client {
        self.client_builder().namespace(namespace).connect_lazy().unwrap()
    }

    /// A connection for raw calls.
    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address())).unwrap().connect_lazy()
    }

    /// The generated stub, for requests that the client would not send.
    pub(crate) fn stub(&self) -> SessionStoreClient<Channel> {
        SessionStoreClient::new(self.channel())
    }

    /// Kills the process as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks the process to end; `wait` tells how it did.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        wait_for_exit(&mut self.process, within).unwrap_or_else(|| panic!("still running after {within:?}"))
    }

    /// Ends the process in order, and checks that it did.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait(LONG).code(), Some(0), "{}", self.log());
    }

    /// The memory that the process occupies, in bytes; 0 once it has ended.
    pub(crate) fn memory(&self) -> u64 {
        memory_of(self.process.id())
    }

    /// The most memory that the process has occupied so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        status_of(self.process.id(), "VmHWM:")
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(2_000);
            let tail = String::from_utf8_lossy(&log.as_bytes()[from..]).into_owned();
            // The test harness shows the output of failed tests only.
            #[expect(clippy::print_stderr, reason = "tells why a test failed")]
            {
                eprintln!("the end of the server's log:\n{tail}");
            }
        }
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn launch_ready(folder: &TempDir, environment: &[(String, String)], flags: &[String]) -> (Child, String) {
    let (mut process, banner) = launch(folder, environment, flags);
    if banner.is_none() {
        process.kill().ok();
        process.wait().ok();
    }
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let banner = banner.unwrap_or_else(|| panic!("the server did not get ready:\n{}", log()));
    (process, banner)
}

fn launch(folder: &TempDir, environment: &[(String, String)], flags: &[String]) -> (Child, Option<String>) {
    let log = File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
    let mut command = binary();
    command.arg("serve").envs(environment.iter().cloned());
    if !flags.iter().any(|flag| flag == "--data-dir") {
        command.arg("--data-dir").arg(folder.path().join("data"));
    }
    if !flags.iter().any(|flag| flag == "--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let mut process = command.args(flags).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let banner = read_banner(&mut process);
    (process, banner)
}

/// The binary under test, in an environment without settings.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiond"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Reads standard output up to the banner's last line; `None` if the process ends earlier.
pub(crate) fn read_banner(process: &mut Child) -> Option<String> {
    let stdout = BufReader::new(process.stdout.take().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut banner = String::new();
        for line in stdout.lines().map_while(Result::ok) {
            banner += &line;
            banner.push('\n');
            if line.trim_start().starts_with("durability") {
                // Nobody waits for it after a timeout.
                sender.send(std::mem::take(&mut banner)).ok();
            }
        }
    });
    receiver.recv_timeout(LONG).ok()
}

/// The result of a short run of the binary.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that is expected to end by itself.
pub(crate) fn run(command: &mut Command) -> Run {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let stdout = thread::spawn(move || read_all(stdout));
    let stderr = thread::spawn(move || read_all(stderr));
    let status = wait_for_exit(&mut process, LONG);
    if status.is_none() {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let status = status.unwrap_or_else(|| panic!("still running after {LONG:?}: {command:?}\n{stdout}{stderr}"));
    Run { code: status.code(), stdout, stderr }
}

fn read_all(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// Waits for a process to end; `None` if it is still running.
pub(crate) fn wait_for_exit(process: &mut Child, within: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return Some(status);
        }
        if start.elapsed() > within {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LONG, "{what}: not within {LONG:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the clock shows a later millisecond than this one.
pub(crate) async fn after(moment: Millis) {
    eventually("the clock goes on", async || now() > moment).await;
}

/// The resident memory of a process in bytes; 0 once it has ended.
pub(crate) fn memory_of(pid: u32) -> u64 {
    status_of(pid, "VmRSS:")
}

/// An amount of memory that the system reports for a process, in bytes; 0 once it has ended.
fn status_of(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// The present moment, by the clock that the server on this machine also reads.
pub(crate) fn now() -> Millis {
    Clock::system().now()
}

/// A moment from the server, which is never finer than a millisecond.
pub(crate) fn millis(moment: Option<Timestamp>) -> Millis {
    let moment = moment.unwrap();
    assert_eq!(moment.nanos % 1_000_000, 0, "{moment:?} is finer than a millisecond");
    u64::try_from(moment.seconds).unwrap() * 1_000 + u64::try_from(moment.nanos).unwrap() / 1_000_000
}

/// The machine-readable reason of an error; empty if it has none.
pub(crate) fn reason(status: &tonic::Status) -> String {
    let info = status.get_details_error_info();
    info.filter(|info| info.domain == "sessiond").map(|info| info.reason).unwrap_or_default()
}

/// The field that an error names; empty if it names none.
pub(crate) fn blamed_field(status: &tonic::Status) -> String {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>().join(",")
}

/// Asserts that bad input is refused with the name of this field, and without the ID in any form.
#[track_caller]
pub(crate) fn assert_blamed(status: &tonic::Status, field: &str, id: &str) {
    assert_eq!(
        (status.code(), reason(status).as_str()),
        (tonic::Code::InvalidArgument, "INVALID_ARGUMENT"),
        "{status:?}"
    );
    assert_eq!(blamed_field(status), field, "{status:?}");
    assert_silent(status, id);
}

/// Asserts that the ID is nowhere in the error.
#[track_caller]
pub(crate) fn assert_silent(status: &tonic::Status, id: &str) {
    let text = format!("{status:?} {status}");
    assert!(id.len() < 8 || !text.contains(id), "the error tells the ID");
}
