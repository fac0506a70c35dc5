//! Tells a service manager how the server is, by the protocol of `sd_notify`: datagrams with a `NAME=VALUE` on each line.

use sessiond::server::Phase;
use std::env;
use std::ffi::OsStr;
use std::future::pending;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long a service manager may take to receive a message. It must not hold up the server.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A service manager that wants to hear from this process.
pub(crate) struct Notifier {
    address: SocketAddr,
    /// How often it has to hear that all is well; otherwise it takes the process for stuck and ends it.
    alive_every: Option<Duration>,
}

impl Notifier {
    /// The service manager that the environment names, if it names one.
    pub(crate) fn from_environment() -> Option<Self> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        match address(&name) {
            Ok(address) => Some(Self { address, alive_every: watchdog_time().map(|time| time / 2) }),
            Err(error) => {
                tracing::warn!(%error, socket = %name.display(), "the service manager can't be told how the server is");
                None
            }
        }
    }

    /// Tells each phase as it comes, and meanwhile that all is well, until the server ends. While the storage makes no
    /// progress, all is not well.
    pub(crate) async fn follow(self, mut phases: watch::Receiver<Phase>, addresses: String) {
        let (mut is_ready, mut told) = (false, None);
        loop {
            let phase = *phases.borrow_and_update();
            let alive_every = self.alive_every.filter(|_| !is_failing(phase));
            if told.replace(phase) != Some(phase) {
                let mut message = format!("STATUS={}\n", status(phase, &addresses));
                if !is_ready && matches!(phase, Phase::Serving | Phase::ReadOnly) {
                    is_ready = true;
                    message += "READY=1\n";
                }
                if phase == Phase::Draining {
                    message += "STOPPING=1\n";
                }
                if alive_every.is_some() {
                    message += "WATCHDOG=1\n";
                }
                self.tell(&message).await;
            }

            let changed = tokio::select! {
                changed = phases.changed() => changed,
                () = self.stay_alive(alive_every) => return,
            };
            if changed.is_err() {
                // A server that is told to end while it opens the data has nothing to drain.
                if phase != Phase::Draining && !is_failing(phase) {
                    self.tell("STOPPING=1\n").await;
                }
                return;
            }
        }
    }

    /// Says again and again that all is well; never returns.
    async fn stay_alive(&self, every: Option<Duration>) {
        let Some(every) = every else { return pending().await };
        loop {
            sleep(every).await;
            self.tell("WATCHDOG=1\n").await;
        }
    }

    async fn tell(&self, message: &str) {
        let sent = timeout(SEND_TIMEOUT, self.send(message)).await;
        if let Err(error) = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            tracing::warn!(%error, "the service manager does not listen");
        }
    }

    /// Connects for each message, since the service manager may have been started again.
    async fn send(&self, message: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&self.address)?;
        socket.set_nonblocking(true)?;
        // Linux takes a datagram as a whole or not at all.
        tokio::net::UnixDatagram::from_std(socket)?.send(message.as_bytes()).await.map(drop)
    }
}

fn status(phase: Phase, addresses: &str) -> String {
    match phase {
        Phase::Starting => "opening the data".into(),
        Phase::Serving => format!("serving on {addresses}"),
        Phase::ReadOnly => format!("read-only, since disk space is low; serving on {addresses}"),
        Phase::Restoring => "restoring a backup".into(),
        Phase::Stalled => "the storage makes no progress".into(),
        Phase::Failed => "the storage has failed".into(),
        Phase::Draining => "draining".into(),
    }
}

/// Whether all is not well.
fn is_failing(phase: Phase) -> bool {
    matches!(phase, Phase::Stalled | Phase::Failed)
}

/// The socket of this name: a path, or after an @ the name of one without a file.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET is neither an absolute path nor @NAME")),
    }
}

/// After how much silence the service manager takes this process for stuck.
fn watchdog_time() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(process::id())) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|micros| *micros > 0).map(Duration::from_micros)
}
