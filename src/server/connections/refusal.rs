//! Closing a connection that gets no slot, so that its peer knows that nothing it has sent was carried out.

use super::listener::Accepted;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// So many are told at the same time; more are only closed.
const TOLD_AT_ONCE: usize = 64;

/// A peer has so long to close its side, which takes a round trip. Clients try again after 50 ms.
const CLOSE_WITHIN: Duration = Duration::from_millis(250);

/// So much of what a peer has sent is read: more than a client sends before it hears of the server.
const READ_AT_MOST: u64 = 64 << 10;

/// The frames that end a connection of HTTP/2 before its first call (RFC 9113, 3.4 and 6.8): `SETTINGS`, and `GOAWAY` after the stream 0
/// with `NO_ERROR`, so that clients take their calls elsewhere, or try again.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: u8 = 7;
const REASON: &[u8] = b"max-connections-per-address";

/// Who is being told.
pub(super) struct Refusals(Arc<Semaphore>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOLD_AT_ONCE)))
    }

    /// Tells the peer that its connection is not served, and closes it. A peer that has to speak TLS has sent nothing yet.
    pub(super) fn refuse(&self, accepted: Accepted) {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let told = async {
                match accepted {
                    Accepted::Tls(_) => Ok(()),
                    Accepted::Tcp(stream) => tell(TcpStream::from_std(stream)?).await,
                    Accepted::Unix(stream, _) => tell(UnixStream::from_std(stream)?).await,
                }
            };
            // A peer that is gone, or goes on sending, is closed all the same.
            timeout(CLOSE_WITHIN, told).await.ok();
            drop(permit);
        });
    }
}

/// A socket that is closed with bytes unread is reset, and its peer may not see what it was told: they are read first.
async fn tell(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&frames()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(READ_AT_MOST), &mut tokio::io::sink()).await.map(drop)
}

fn frames() -> Vec<u8> {
    let payload = [&[0; 8], REASON].concat();
    let length = u8::try_from(payload.len()).unwrap_or_default();
    [&SETTINGS[..], &[0, 0, length, GOAWAY, 0, 0, 0, 0, 0], &payload].concat()
}
