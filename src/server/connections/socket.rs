//! The socket of a connection, TCP or Unix. It counts among those of its worker for as long as it lives.

use super::listener::Accepted;
use super::turns::{Line, Turns};
use crate::server::peer_timeout::{TICK, time_for};
use crate::service::Share;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep};

/// A connection. It fails if its peer takes nothing for too long.
pub(in crate::server) struct Connection {
    stream: Stream,
    turns: Turns,
    share: Arc<Share>,
    /// How long the peer may take nothing.
    send_timeout: Duration,
    /// Set while the operating system takes no more.
    stall: Option<Stall>,
    _load: WorkerLoad,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The peer does not take what is written.
struct Stall {
    since: Instant,
    written: usize,
    was_pressed: bool,
    /// When a piece was last written to its end.
    flushed: Option<Instant>,
    tick: Pin<Box<Sleep>>,
}

/// Counts a connection among those of its worker.
pub(in crate::server) struct WorkerLoad(Arc<AtomicUsize>);

impl WorkerLoad {
    pub(in crate::server) fn add_to(worker: &Arc<AtomicUsize>) -> Self {
        worker.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(worker))
    }
}

impl Drop for WorkerLoad {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// Attaches the connection to the runtime of this thread.
    pub(in crate::server) fn adopt(
        accepted: Accepted,
        load: WorkerLoad,
        line: Line,
        share: Arc<Share>,
        send_timeout: Duration,
    ) -> io::Result<Self> {
        let stream = match accepted {
            Accepted::Tcp(stream) | Accepted::Tls(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream, _) => Stream::Unix(UnixStream::from_std(stream)?),
        };
        Ok(Self { stream, turns: Turns::new(line, Arc::clone(&share)), share, send_timeout, stall: None, _load: load })
    }

    /// Looks at the first bytes that the peer sends, and leaves them there; none if it has closed the connection. A Unix
    /// socket has none to show.
    pub(in crate::server) async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peek(bytes).await,
            Stream::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Judges the result of a write: a peer that takes nothing, or next to nothing, is given up.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(stall) = &mut self.stall {
                    stall.written += bytes;
                }
                return written;
            }
            Poll::Ready(Err(_)) => return written,
            Poll::Pending => {}
        }
        // If a peer takes one piece after the other, each slowly, it is still the same stall.
        let is_over = |stall: &Stall| stall.flushed.is_some_and(|flushed| flushed.elapsed() >= TICK);
        if self.stall.as_ref().is_some_and(is_over) {
            self.stall = None;
        }
        let stall = self.stall.get_or_insert_with(|| Stall {
            since: Instant::now(),
            written: 0,
            was_pressed: false,
            flushed: None,
            tick: Box::pin(sleep(TICK)),
        });
        stall.flushed = None;
        while stall.tick.as_mut().poll(cx).is_ready() {
            let is_pressed = self.share.is_pressed();
            // The more the peer has taken, the more time it has.
            let allowed = time_for(stall.written, self.send_timeout);
            if (is_pressed && stall.was_pressed && stall.written == 0) || stall.since.elapsed() >= allowed {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stall.was_pressed = is_pressed;
            stall.tick = Box::pin(sleep(TICK));
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.turns.poll_turn(cx));
        let filled = buf.filled().len();
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        match result {
            Poll::Ready(_) => self.turns.note_read(buf.filled().len() - filled),
            Poll::Pending => self.turns.end(),
        }
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.judge(cx, written)
    }

    /// Called once a piece is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(stall) = &mut self.stall {
            stall.flushed = Some(Instant::now());
        }
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
