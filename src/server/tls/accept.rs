//! The handshake of a connection, and what is said to a peer that does not speak TLS.

use super::Tls;
use super::client_names::names_of;
use crate::authorization::CertificateName;
use crate::server::connections::socket::Connection;
use bytes::Bytes;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response, header};

/// The first byte of a handshake of TLS (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// How a client of HTTP/2 begins without TLS (RFC 9113, 3.4).
const HTTP2: &[u8] = b"PR";

/// The name of HTTP/1 where the protocol is agreed (RFC 7301, 6).
const HTTP1: &[u8] = b"http/1.1";

/// What a peer without TLS is told.
const TLS_ONLY: &str = "this port takes TLS only; write https:// before the address";

/// What a client is told whose certificate is good, but whose name is not among those that get in.
const NOT_LET_IN: &str = "the client's certificate has no name that tls-client-names lets in";

/// Bytes of answers that may wait to be encrypted; `message-memory` counts those before it.
const SEND_BUFFER: usize = 16 << 10;

/// Calls that are refused at a time, and the bytes of their headers. They need few.
const MAX_REFUSED: u32 = 100;
const MAX_HEADERS: u32 = 16 << 10;

/// Why a peer did not get through the handshake.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum HandshakeError {
    /// TLS was not agreed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer does not speak TLS.
    #[error("the peer does not speak TLS")]
    Plaintext,
    /// The peer's certificate has none of the names that get in.
    #[error("{NOT_LET_IN}")]
    NotLetIn,
    /// A peer that is refused broke the rules of HTTP/2.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

impl Tls {
    /// Makes the handshake, and tells the names of the client's certificate. A peer that does not speak TLS is told so in its own protocol, as far as that can be guessed.
    pub(in crate::server) async fn accept(
        &self,
        connection: Connection,
    ) -> Result<(TlsStream<Connection>, Vec<CertificateName>), HandshakeError> {
        // Counted also if the time for it runs out.
        let failed = FailedHandshake(self);
        let accepted = self.shake_hands(connection).await?;
        mem::forget(failed);
        Ok(accepted)
    }

    /// The same for a browser, with which HTTP/1 is agreed.
    pub(in crate::server) async fn accept_http1(
        &self,
        connection: Connection,
    ) -> Result<TlsStream<Connection>, HandshakeError> {
        let failed = FailedHandshake(self);
        let mut first = [0; 1];
        let length = connection.peek(&mut first).await?;
        if length == 0 {
            return Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        if first != [HANDSHAKE] {
            refuse_http1(connection, "400 Bad Request", TLS_ONLY).await?;
            return Err(HandshakeError::Plaintext);
        }
        let mut config = ServerConfig::clone(&self.in_use().config);
        config.alpn_protocols = vec![HTTP1.to_vec()];
        let (accepted, names) = agree(connection, Arc::new(config)).await?;
        if !self.0.client_names.let_in(&names) {
            refuse_http1(accepted, "403 Forbidden", NOT_LET_IN).await?;
            return Err(HandshakeError::NotLetIn);
        }
        mem::forget(failed);
        Ok(accepted)
    }

    async fn shake_hands(
        &self,
        connection: Connection,
    ) -> Result<(TlsStream<Connection>, Vec<CertificateName>), HandshakeError> {
        let mut first = [0; 2];
        let length = connection.peek(&mut first).await?;
        match &first[..length] {
            [] => Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into())),
            [HANDSHAKE, ..] => {
                let config = Arc::clone(&self.in_use().config);
                let (accepted, names) = agree(connection, config).await?;
                if self.0.client_names.let_in(&names) {
                    return Ok((accepted, names));
                }
                refuse_http2(accepted, &Status::permission_denied(NOT_LET_IN)).await?;
                Err(HandshakeError::NotLetIn)
            }
            HTTP2 => {
                refuse_http2(connection, &Status::failed_precondition(TLS_ONLY)).await?;
                Err(HandshakeError::Plaintext)
            }
            _ => {
                refuse_http1(connection, "400 Bad Request", TLS_ONLY).await?;
                Err(HandshakeError::Plaintext)
            }
        }
    }
}

/// Makes the handshake, and reads the names in the client's certificate.
async fn agree(
    connection: Connection,
    config: Arc<ServerConfig>,
) -> io::Result<(TlsStream<Connection>, Vec<CertificateName>)> {
    let mut accepted = TlsAcceptor::from(config).accept(connection).await?;
    accepted.get_mut().1.set_buffer_limit(Some(SEND_BUFFER));
    let names = names_of(accepted.get_ref().1.peer_certificates());
    Ok((accepted, names))
}

/// Counts a handshake that has failed when it is dropped.
struct FailedHandshake<'a>(&'a Tls);

impl Drop for FailedHandshake<'_> {
    fn drop(&mut self) {
        self.0.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers every call with an error of gRPC until the client closes the connection, or its time for the handshake is over.
async fn refuse_http2(connection: impl AsyncRead + AsyncWrite + Unpin, why: &Status) -> Result<(), HandshakeError> {
    let mut http2 = h2::server::Builder::new();
    http2.max_concurrent_streams(MAX_REFUSED).max_header_list_size(MAX_HEADERS);
    let mut http2 = http2.handshake::<_, Bytes>(connection).await?;
    while let Some(call) = http2.accept().await {
        let (_, mut reply) = call?;
        let mut headers = HeaderMap::new();
        why.add_header(&mut headers).ok();
        let mut response = Response::new(());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        *response.headers_mut() = headers;
        reply.send_response(response, true)?;
    }
    Ok(())
}

pub(in crate::server) async fn refuse_http1(
    mut connection: impl AsyncWrite + Unpin,
    status: &str,
    why: &str,
) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{why}\n",
        why.len() + 1
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}
