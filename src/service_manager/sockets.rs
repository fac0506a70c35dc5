//! Takes over sockets on which a service manager listens for the server ("socket activation").

use listenfd::ListenFd;
use sessiond::config::Listen;
use sessiond::server::Listener;
use std::env;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process;

/// A socket that was passed to this process.
pub(crate) struct Passed {
    pub(crate) address: Listen,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes over the sockets that were passed to this process, those of TCP with or without TLS: none unless a service manager started it so. It must be called
/// once, and before there are threads, because it changes the environment.
pub(crate) fn take(has_tls: bool) -> io::Result<Vec<Passed>> {
    // Without this variable, listenfd would take sockets that may be meant for another process.
    let is_for_this_process = env::var("LISTEN_PID").is_ok_and(|pid| pid == process::id().to_string());
    if !is_for_this_process {
        return Ok(Vec::new());
    }
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|index| take_one(&mut passed, index, has_tls)).collect()
}

fn take_one(passed: &mut ListenFd, index: usize, has_tls: bool) -> io::Result<Passed> {
    if let Ok(Some(listener)) = passed.take_unix_listener(index) {
        let address = listener.local_addr()?;
        let path = address
            .as_pathname()
            .ok_or_else(|| refusal("a Unix socket has no file, whose mode says who may connect"))?;
        return Ok(Passed { address: Listen::Unix(path.into()), socket: Socket::Unix(listener) });
    }
    match passed.take_tcp_listener(index) {
        Ok(Some(listener)) => {
            let address = listener.local_addr()?.to_string();
            let address = if has_tls { Listen::Tls(address) } else { Listen::Tcp(address) };
            Ok(Passed { address, socket: Socket::Tcp(listener) })
        }
        _ => Err(refusal("one is neither a TCP socket nor a Unix stream socket")),
    }
}

fn refusal(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

impl Passed {
    /// Listens on it, in the runtime from which this is called.
    pub(crate) fn listen(self) -> io::Result<Listener> {
        match self.socket {
            Socket::Tcp(listener) => Listener::adopt_tcp(listener, self.address.is_tls()),
            Socket::Unix(listener) => Listener::adopt_unix(listener),
        }
    }
}
