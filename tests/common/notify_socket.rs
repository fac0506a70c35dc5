//! A service manager that listens to what the server says of itself, as systemd does.

use crate::common::LONG;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

/// Its socket.
pub(crate) struct NotifySocket(UnixDatagram);

impl NotifySocket {
    /// Listens at a path.
    pub(crate) fn bind(path: &Path) -> Self {
        Self(UnixDatagram::bind(path).unwrap())
    }

    /// Listens on a socket without a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn bind_abstract(name: &str) -> Self {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        Self(UnixDatagram::bind_addr(&address).unwrap())
    }

    /// The next message, or none within this time.
    pub(crate) fn next(&self, within: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    /// Waits for a message that has a line which begins so, and returns it with all messages before it.
    pub(crate) fn wait_for(&self, line: &str) -> Vec<String> {
        let began = Instant::now();
        let mut messages = Vec::new();
        while began.elapsed() < LONG {
            let Some(message) = self.next(LONG) else { break };
            let found = message.lines().any(|candidate| candidate.starts_with(line));
            messages.push(message);
            if found {
                return messages;
            }
        }
        panic!("no {line} in {messages:?}")
    }
}
