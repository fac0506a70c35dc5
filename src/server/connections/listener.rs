//! Binding addresses and accepting connections on them.

use crate::authorization::UnixUser;
use crate::config::{Listen, TLS};
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};
use tokio::net::unix::SocketAddr as UnixAddress;
use tokio::net::{TcpListener, UnixListener};

/// A bound address. The file of a Unix socket that this process bound is removed when this is dropped.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A TCP port whose peers speak TLS.
    Tls(TcpListener),
    /// A Unix socket, and its file if this process made it.
    Unix(UnixListener, Option<SocketFile>),
}

/// The file of a Unix socket.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// A connection that was accepted but belongs to no runtime yet.
#[derive(Debug)]
pub(in crate::server) enum Accepted {
    Tcp(std::net::TcpStream),
    Tls(std::net::TcpStream),
    /// With the user of the process at the other end, as it was when it connected.
    Unix(BlockingUnixStream, Option<UnixUser>),
}

impl Accepted {
    /// Where the peer is; nothing is known of peers at a Unix socket.
    pub(in crate::server) fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) | Self::Tls(stream) => stream.peer_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// The user of the process at the other end of a Unix socket.
    pub(in crate::server) fn user(&self) -> Option<UnixUser> {
        match self {
            Self::Tcp(_) | Self::Tls(_) => None,
            Self::Unix(_, user) => *user,
        }
    }

    /// Whether the peer has closed its side already, without a word.
    fn is_gone(&self) -> bool {
        match self {
            Self::Tcp(stream) | Self::Tls(stream) => match stream.peek(&mut [0]) {
                Ok(bytes) => bytes == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            },
            Self::Unix(..) => false,
        }
    }

    /// Whether the peer has to speak TLS.
    pub(in crate::server) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl Listener {
    /// Binds an address; port 0 takes any free port. `socket_mode` says who may connect to a Unix socket, whatever the umask.
    ///
    /// # Errors
    /// `AddrInUse` if another process listens there, and whatever the operating system says otherwise.
    pub async fn bind(address: &Listen, socket_mode: u32) -> io::Result<Self> {
        match address {
            Listen::Tcp(address) => bind_port(address).await.map(Self::Tcp),
            Listen::Tls(address) => bind_port(address).await.map(Self::Tls),
            Listen::Unix(path) => {
                remove_abandoned_socket(path)?;
                let listener = Self::Unix(UnixListener::bind(path)?, Some(SocketFile(path.clone())));
                std::fs::set_permissions(path, Permissions::from_mode(socket_mode))?;
                Ok(listener)
            }
        }
    }

    /// Takes over a TCP port that someone else has bound, whose peers speak TLS or not.
    pub fn adopt_tcp(listener: std::net::TcpListener, has_tls: bool) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(if has_tls { Self::Tls } else { Self::Tcp })
    }

    /// Takes over a Unix socket that someone else has bound, and whose file stays theirs.
    pub fn adopt_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(UnixListener::from_std(listener)?, None))
    }

    /// Waits for the next connection whose peer is still there: serving those that are made only to be closed would take the time of
    /// others.
    pub(in crate::server) async fn accept(&self) -> io::Result<Accepted> {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => Accepted::Tcp(accept_on_port(listener).await?),
                Self::Tls(listener) => Accepted::Tls(accept_on_port(listener).await?),
                Self::Unix(listener, _) => accept_on_socket(listener).await?,
            };
            if !accepted.is_gone() {
                return Ok(accepted);
            }
        }
    }
}

async fn bind_port(address: &str) -> io::Result<TcpListener> {
    let resolved: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    TcpListener::bind(&resolved[..]).await
}

async fn accept_on_port(listener: &TcpListener) -> io::Result<std::net::TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Answers are small and must not wait until there is more to send.
    stream.set_nodelay(true)?;
    stream.into_std()
}

async fn accept_on_socket(listener: &UnixListener) -> io::Result<Accepted> {
    let (stream, _) = listener.accept().await?;
    let user = stream.peer_cred().ok().map(|found| UnixUser { uid: found.uid(), gid: found.gid() });
    Ok(Accepted::Unix(stream.into_std()?, user))
}

impl fmt::Display for Listener {
    /// The address as the setting `listen` has it, with the port that the kernel chose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Tls(_) = self {
            f.write_str(TLS)?;
        }
        match self {
            Self::Tcp(listener) | Self::Tls(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("(unknown address)"),
            },
            Self::Unix(listener, _) => match listener.local_addr().ok().as_ref().and_then(UnixAddress::as_pathname) {
                Some(path) => write!(f, "unix:{}", path.display()),
                None => f.write_str("(unknown socket)"),
            },
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Someone may have removed it already.
        std::fs::remove_file(&self.0).ok();
    }
}

/// Removes the socket that a killed server left behind. A socket that answers is left alone, and binding will fail.
fn remove_abandoned_socket(path: &Path) -> io::Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket
        && BlockingUnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[tokio::test]
    async fn who_is_gone_already_is_passed_over() {
        let listener = Listener::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let connect = || TcpStream::connect(listener.to_string()).unwrap();
        (0..3).for_each(|_| drop(connect()));
        let stays = connect();
        let accepted = listener.accept().await.unwrap();
        assert_eq!(accepted.peer_address(), stays.local_addr().ok());
    }
}
