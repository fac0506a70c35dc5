//! The protocol of Redis and Valkey on one connection.

use std::io::{self, ErrorKind};

use bytes::BytesMut;
use redis_protocol::resp2::decode::decode_bytes_mut;
use redis_protocol::resp2::encode::extend_encode_borrowed;
use redis_protocol::resp2::types::{BorrowedFrame, BytesFrame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a server answers to a command.
pub(super) type Reply = BytesFrame;

/// Room for answers, in bytes; it grows with them.
const ROOM: usize = 4096;

/// A connection, for commands that are queued and then sent in one piece.
pub(super) struct Connection {
    stream: TcpStream,
    sending: BytesMut,
    received: BytesMut,
    /// Commands without an answer.
    queued: usize,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, sending: BytesMut::new(), received: BytesMut::with_capacity(ROOM), queued: 0 })
    }

    /// Puts a command, which is its words, behind those that are queued.
    pub(super) fn queue(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let words: Vec<_> = words.iter().map(|word| BorrowedFrame::BulkString(word)).collect();
        extend_encode_borrowed(&mut self.sending, &BorrowedFrame::Array(&words), false).map_err(io::Error::other)?;
        self.queued += 1;
        Ok(())
    }

    /// Sends what is queued and waits for the answers, in the order of the commands. After an error, or if this is
    /// given up, the connection is of no more use.
    pub(super) async fn exchange(&mut self) -> io::Result<Vec<Reply>> {
        self.stream.write_all(&self.sending).await?;
        self.sending.clear();
        let mut replies = Vec::with_capacity(self.queued);
        while replies.len() < self.queued {
            match decode_bytes_mut(&mut self.received).map_err(io::Error::other)? {
                Some((reply, _, _)) => replies.push(reply),
                None if self.stream.read_buf(&mut self.received).await? == 0 => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        }
        self.queued = 0;
        Ok(replies)
    }
}
