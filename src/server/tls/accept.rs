//! The handshake of a connection, and what is said to a peer that does not speak TLS.

use super::Tls;
use crate::server::connections::http2::Broken;
use crate::server::connections::socket::Connection;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response, header};

/// The first byte of a handshake of TLS (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// How a client of HTTP/2 begins without TLS (RFC 9113, 3.4).
const HTTP2: &[u8] = b"PR";

/// What a peer without TLS is told.
const TLS_ONLY: &str = "this port takes TLS only; write https:// before the address";

impl Tls {
    /// Makes the handshake. A peer that does not speak TLS is told so in its own protocol, as far as that can be guessed.
    pub(in crate::server) async fn accept(&self, connection: Connection) -> Result<TlsStream<Connection>, Broken> {
        // Counted also if the time for it runs out.
        let failed = FailedHandshake(self);
        let accepted = self.shake_hands(connection).await?;
        mem::forget(failed);
        Ok(accepted)
    }

    async fn shake_hands(&self, connection: Connection) -> Result<TlsStream<Connection>, Broken> {
        let mut first = [0; 2];
        let length = connection.peek(&mut first).await?;
        match &first[..length] {
            [] => Err(Broken::Io(io::ErrorKind::UnexpectedEof.into())),
            [HANDSHAKE, ..] => {
                let config = Arc::clone(&self.in_use().config);
                Ok(TlsAcceptor::from(config).accept(connection).await?)
            }
            HTTP2 => {
                refuse_http2(connection).await?;
                Err(Broken::Plaintext)
            }
            _ => {
                refuse_http1(connection).await?;
                Err(Broken::Plaintext)
            }
        }
    }
}

/// Counts a handshake that has failed when it is dropped.
struct FailedHandshake<'a>(&'a Tls);

impl Drop for FailedHandshake<'_> {
    fn drop(&mut self) {
        self.0.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers every call with an error of gRPC until the client closes the connection, or its time for the handshake is over.
async fn refuse_http2(connection: Connection) -> Result<(), Broken> {
    let mut http2 =
        h2::server::Builder::new().max_concurrent_streams(100).handshake::<_, bytes::Bytes>(connection).await?;
    while let Some(call) = http2.accept().await {
        let (_, mut reply) = call?;
        let mut headers = HeaderMap::new();
        Status::failed_precondition(TLS_ONLY).add_header(&mut headers).ok();
        let mut response = Response::new(());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        *response.headers_mut() = headers;
        reply.send_response(response, true)?;
    }
    Ok(())
}

async fn refuse_http1(mut connection: Connection) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{TLS_ONLY}\n",
        TLS_ONLY.len() + 1
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}
