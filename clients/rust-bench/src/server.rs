//! The servers under measurement.

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::Settings;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Sessiond,
}

/// A server that is pinned to its core. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Both promise the same: what was acknowledged survives the end of the process, and is on disk a second later.
    pub async fn start(settings: &Settings, kind: Kind) -> Result<Self, Box<dyn Error>> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &settings.core]);
        match kind {
            Kind::Sessiond => command
                .arg(&settings.sessiond)
                .args(["serve", "--durability", "interval", "--workers", "1", "--log", "warn"])
                .args(["--listen", &address.to_string(), "--data-dir"])
                .arg(folder.path().join("data"))
                .stdout(std::process::Stdio::null()),
            Kind::Redis => command
                .arg(&settings.redis)
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
                .args(["--loglevel", "warning", "--port", &address.port().to_string(), "--dir"])
                .arg(folder.path())
                .arg("--logfile")
                .arg(folder.path().join("log")),
        };
        let mut server = Self { process: command.spawn()?, address: address.to_string(), _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if start.elapsed() > STARTS_WITHIN || server.process.try_wait()?.is_some() {
                return Err(format!("the server ({kind:?}) did not start").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
