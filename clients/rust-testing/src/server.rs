//! Server processes.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sessiond_client::{Client, ClientBuilder};
use tempfile::TempDir;

/// An address at which nothing listens: the port was free a moment ago.
///
/// # Panics
/// If no port is free.
#[must_use]
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server process with a data folder of its own. Dropping it kills the process and removes the folder.
#[derive(Debug)]
pub struct Server {
    process: Child,
    folder: TempDir,
    address: String,
    settings: Vec<String>,
}

impl Server {
    /// A server on a free port.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0", &[])
    }

    /// A server that listens at this address, with these further flags of `sessiond serve`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_at(address: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (process, address) = launch(&folder, address, &settings);
        Self { process, folder, address, settings }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All that it has logged.
    ///
    /// # Panics
    /// If the log can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    /// Kills it, as a power cut of the process alone would.
    ///
    /// # Panics
    /// If the system does not let it.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same address, on the same data.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        let address = self.address.clone();
        self.restart_at(&address);
    }

    /// The flags that it is started with the next time.
    pub fn set_settings(&mut self, settings: &[&str]) {
        self.settings = settings.iter().map(ToString::to_string).collect();
    }

    /// Starts it again at another address, on the same data: another process of the same store.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart_at(&mut self, address: &str) {
        (self.process, self.address) = launch(&self.folder, address, &self.settings);
    }

    /// A client with a namespace that no other test uses.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_builder().connect_lazy().unwrap()
    }

    /// The settings of [`client`](Self::client), to be changed.
    #[must_use]
    pub fn client_builder(&self) -> ClientBuilder {
        static NAMESPACES: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("test-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        Client::builder().address(&self.address).namespace(namespace).deadline(DEADLINE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command of the program under test. Settings of the surrounding shell do not reach it.
#[must_use]
pub fn binary() -> Command {
    let mut command = Command::new(&*BINARY);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSIOND_")) {
        command.env_remove(name);
    }
    command
}

fn launch(folder: &TempDir, address: &str, settings: &[String]) -> (Child, String) {
    let log = File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
    let mut command = binary();
    command.args(["serve", "--listen", address, "--data-dir"]).arg(folder.path().join("data")).args(settings);
    let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address =
        lines.map_while(Result::ok).find_map(|line| Some(line.trim().strip_prefix("listening")?.trim().to_owned()));
    (process, address.expect("the server says where it listens"))
}

/// The server that `SESSIOND_BIN` names, or the one that cargo has built beside the tests.
pub(crate) static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(named) = env::var_os("SESSIOND_BIN") {
        return named.into();
    }
    let test = env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("sessiond");
    assert!(built.exists(), "{} is missing: run cargo build --bin sessiond first", built.display());
    built
});
