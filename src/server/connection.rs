//! A connection as a worker serves it: TCP or Unix, counted for as long as it lives.

use super::listener::Accepted;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// Who connects and says nothing for so long is cut off, so that silent peers can't take all places.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// A connection and what it occupies.
pub(super) struct Connection {
    stream: Stream,
    /// Ends a connection on which nothing is said; gone after the first byte, when HTTP/2 looks after itself.
    silence: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A place among the connections of the process and of one worker.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    worker_load: Arc<AtomicUsize>,
}

impl Place {
    pub(super) fn take(permit: OwnedSemaphorePermit, worker_load: Arc<AtomicUsize>) -> Self {
        worker_load.fetch_add(1, Ordering::Relaxed);
        Self { _permit: permit, worker_load }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker_load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// Attaches the connection to the runtime that this is called on.
    pub(super) fn adopt(accepted: Accepted, place: Place) -> io::Result<Self> {
        let stream = match accepted {
            Accepted::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        };
        Ok(Self { stream, silence: Some(Box::pin(sleep(MAX_SILENCE))), _place: place })
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if read.is_ready() {
            self.silence = None;
        } else if self.silence.as_mut().is_some_and(|silence| silence.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
