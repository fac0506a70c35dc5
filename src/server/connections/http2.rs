//! The life of a connection in HTTP/2, from the handshake to the end. No phase of it can last for ever.

use super::patience::Patience;
use super::socket::Connection;
use crate::authorization::CertificateName;
use crate::server::calls::answer::Piece;
use crate::server::calls::call::Peer;
use crate::server::process::health::{Phase, draining};
use crate::server::tls::Tls;
use crate::server::tls::accept::{HandshakeError, refuse_http1};
use crate::service::STREAM_WINDOW;
use h2::server::{Builder, Connection as Http2};
use h2::{Ping, PingPong, Reason};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How often a peer is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// A peer that does not answer a ping within this time is gone.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// A connection that is evicted has so long to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// A connection that has ended, or has no call while the server drains, has so long to close, which takes a round trip. It is short,
/// because clients wait for the next server no longer than their deadline, by default a second.
const DRAIN_WITHIN: Duration = Duration::from_millis(250);

/// Bytes that a peer may send in the whole connection before they are read, beside those of messages that wait for room.
const WINDOW: u32 = 256 << 10;

/// The most that HTTP/2 allows.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Bytes of one answer that may wait for the operating system to take them.
const SEND_BUFFER: usize = 400 << 10;

/// So many streams may be reset because the peer broke the rules; one more ends the connection.
const MAX_RESETS: usize = 1_024;

/// Frames of messages that nobody has read yet: each smaller than [`SMALL_FRAME`] takes as much of a budget as it lacks to that size, and
/// beyond the budget the connection is closed. By itself h2 allows for some hundred, but each stream of a connection may wait at once, with a
/// message that came in one frame or two.
const SMALL_FRAMES_PER_STREAM: usize = 2;
const SMALL_FRAME: usize = 256;

/// Headers above the bound are read up to so many times the bound, so that the call can be answered with an error.
const HEADERS_READ: u32 = 4;

/// How requests of HTTP/1 begin (RFC 9110, 9.3), the longest first.
const HTTP1_BEGINNINGS: [&[u8]; 7] = [b"OPTIONS ", b"DELETE ", b"PATCH ", b"HEAD ", b"POST ", b"GET ", b"PUT "];

/// What a peer with HTTP/1 is told.
const HTTP2_ONLY: &str = "this port takes gRPC over HTTP/2 only; metrics-listen has one for health and metrics, console-listen one for browsers";

/// Why a connection ended badly.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum Broken {
    /// The peer broke the rules, or its side of the connection is gone.
    #[error(transparent)]
    Http2(#[from] h2::Error),
    /// The handshake of TLS failed.
    #[error(transparent)]
    Tls(#[from] HandshakeError),
    /// The peer sends nothing.
    #[error("the peer does not answer")]
    Silent,
    /// The peer speaks HTTP/1, as browsers do.
    #[error("the peer speaks HTTP/1")]
    Http1,
}

impl Broken {
    /// Whether the server closes the connection because the peer broke the rules of HTTP/2.
    fn is_offence(&self) -> bool {
        matches!(self, Self::Http2(error) if error.is_library() && error.is_go_away())
    }
}

/// Serves a connection to its end.
pub(in crate::server) async fn serve(
    connection: Connection,
    tls: Option<Tls>,
    peer: Peer,
    phase: watch::Receiver<Phase>,
) -> Result<(), Broken> {
    let slot = Arc::clone(&peer.slot);
    let ended = match tls {
        None => serve_over(greet(connection), peer, phase).await,
        // On the heap: the state of a handshake is large, and short-lived.
        Some(tls) => serve_over(Box::pin(async move { Ok(tls.accept(connection).await?) }), peer, phase).await,
    };
    if slot.is_cut_off() || ended.as_ref().is_err_and(Broken::is_offence) {
        slot.note_broken_rules();
    }
    ended
}

/// Tells a peer that speaks HTTP/1, which otherwise sees only bytes that it does not understand.
async fn greet(connection: Connection) -> Result<(Connection, Vec<CertificateName>), Broken> {
    let mut first = [0; HTTP1_BEGINNINGS[0].len()];
    // A Unix socket does not show its first bytes.
    let length = connection.peek(&mut first).await.unwrap_or_default();
    if HTTP1_BEGINNINGS.iter().any(|beginning| first[..length].starts_with(beginning)) {
        refuse_http1(connection, "400 Bad Request", HTTP2_ONLY).await.ok();
        return Err(Broken::Http1);
    }
    Ok((connection, Vec::new()))
}

async fn serve_over<C: AsyncRead + AsyncWrite + Unpin>(
    connection: impl Future<Output = Result<(C, Vec<CertificateName>), Broken>>,
    mut peer: Peer,
    phase: watch::Receiver<Phase>,
) -> Result<(), Broken> {
    // TLS and HTTP/2 together get the time of one handshake.
    let mut socket = None;
    let handshake = timeout(peer.settings.receive_timeout, async {
        if let Some(pause) = peer.slot.pause() {
            sleep(pause).await;
        }
        let (connection, names) = connection.await?;
        Ok::<_, Broken>((http2(&peer).handshake(socket.insert(connection)).await?, names))
    });
    let (connection, names) = tokio::select! {
        biased;
        handshake = handshake => match handshake {
            Ok(established) => established?,
            Err(_) => return Err(Broken::Silent),
        },
        // It has no call yet that could be lost.
        () = peer.slot.evicted() => return Ok(()),
        // Its first calls may be on their way already. If it were reset, their caller would not know whether they were carried out.
        () = async { draining(phase.clone()).await; Patience::of(DRAIN_WITHIN).end().await } => return Ok(()),
    };
    peer.slot.established();
    peer.caller.learn(names);
    let peer = Arc::new(peer);
    let end = serve_calls(connection, &peer, phase).await?;
    if let (End::Orderly, Some(socket)) = (end, socket) {
        linger(socket).await;
    }
    Ok(())
}

/// How the calls of a connection came to their end.
enum End {
    /// The peer knows which of them were taken, and those are answered.
    Orderly,
    /// The peer broke the rules, or does not even take that the connection ends.
    Cut,
}

/// Serves the calls of a connection until it is closed.
async fn serve_calls<C: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Http2<C, Piece>,
    peer: &Arc<Peer>,
    phase: watch::Receiver<Phase>,
) -> Result<End, Broken> {
    let mut draining = pin!(draining(phase));
    let mut pings = Pings::new(connection.ping_pong());
    let mut evicted = pin!(peer.slot.evicted());
    let (mut closing, mut patience) = (Closing::None, Patience::of(CLOSE_WITHIN));
    loop {
        // Not biased: a peer that sends without a pause must not keep the server from closing.
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, reply) = accepted?;
                    tokio::spawn(Arc::clone(peer).answer(request, reply));
                }
                None => return Ok(End::Orderly),
            },
            () = peer.share.window_changed() => {
                let on_their_way = u32::try_from(peer.share.on_their_way()).unwrap_or(MAX_WINDOW);
                connection.set_target_window_size(WINDOW.saturating_add(on_their_way).min(MAX_WINDOW));
            }
            () = &mut evicted, if !matches!(closing, Closing::Evicted | Closing::Final) => {
                if peer.slot.is_cut_off() {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                } else {
                    connection.graceful_shutdown();
                }
                (closing, patience) = (Closing::Evicted, Patience::of(CLOSE_WITHIN));
            }
            () = &mut draining, if closing == Closing::None => {
                connection.graceful_shutdown();
                (closing, patience) = (Closing::Drains, Patience::of(DRAIN_WITHIN));
            }
            gone = pings.keep_up(), if closing == Closing::None => return Err(gone),
            () = patience.end(), if closing != Closing::None => {
                if closing == Closing::Final || peer.slot.is_cut_off() {
                    return Ok(End::Cut);
                }
                if may_end(closing, &mut connection, peer) {
                    // It names the last call. The peer, which may send the next at this moment, knows that it was not carried out.
                    connection.abrupt_shutdown(Reason::NO_ERROR);
                    closing = Closing::Final;
                } else if closing == Closing::Evicted {
                    peer.slot.note_revival();
                }
                patience = Patience::of(CLOSE_WITHIN);
            }
        }
    }
}

/// Closes the connection, and reads what the peer has still sent until that closes its side. A socket that is closed with bytes unread
/// is reset, which takes the last answers from a peer that has not read them yet (RFC 9112, 9.6).
async fn linger<C: AsyncRead + AsyncWrite + Unpin>(mut connection: C) {
    let closed = async {
        connection.shutdown().await?;
        tokio::io::copy(&mut connection, &mut tokio::io::sink()).await
    };
    tokio::select! {
        _ = closed => {}
        // A peer that is gone, or goes on sending, has lost nothing by it.
        () = async { Patience::of(DRAIN_WITHIN).end().await } => {}
    }
}

/// Whether a connection is being closed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    None,
    /// The server drains: calls that have begun are finished.
    Drains,
    /// A new connection gets its slot.
    Evicted,
    /// The peer is told which call was the last.
    Final,
}

/// Whether a connection that is being closed can end, although the peer has not closed its side.
fn may_end<C: AsyncRead + AsyncWrite + Unpin>(closing: Closing, connection: &mut Http2<C, Piece>, peer: &Peer) -> bool {
    match closing {
        Closing::None | Closing::Final => false,
        Closing::Drains => !connection.has_streams(),
        // A call that came at the last moment may still be answered.
        Closing::Evicted => !connection.has_streams() || peer.slot.is_idle_for(CLOSE_WITHIN),
    }
}

/// Asks now and then whether the peer is still there.
struct Pings {
    peer: Option<PingPong>,
    alarm: Pin<Box<Sleep>>,
    awaits_pong: bool,
}

impl Pings {
    fn new(peer: Option<PingPong>) -> Self {
        Self { peer, alarm: Box::pin(sleep(PING_EVERY)), awaits_pong: false }
    }

    /// Asks and listens until the peer is gone.
    async fn keep_up(&mut self) -> Broken {
        loop {
            let Some(peer) = &mut self.peer else { return std::future::pending().await };
            if self.awaits_pong {
                let pong = tokio::select! {
                    biased;
                    pong = poll_fn(|cx| peer.poll_pong(cx)) => pong,
                    () = self.alarm.as_mut() => return Broken::Silent,
                };
                if let Err(error) = pong {
                    return error.into();
                }
                self.awaits_pong = false;
                self.alarm.as_mut().reset(Instant::now() + PING_EVERY);
            } else {
                self.alarm.as_mut().await;
                if let Err(error) = peer.send_ping(Ping::opaque()) {
                    return error.into();
                }
                self.awaits_pong = true;
                self.alarm.as_mut().reset(Instant::now() + PONG_WITHIN);
            }
        }
    }
}

fn http2(peer: &Peer) -> Builder {
    let settings = &peer.settings;
    let mut http2 = Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(settings.max_header_size.saturating_mul(HEADERS_READ))
        .max_local_error_reset_streams(Some(MAX_RESETS))
        .data_frame_budget(settings.max_streams_per_connection as usize * SMALL_FRAMES_PER_STREAM * SMALL_FRAME)
        .max_send_buffer_size(SEND_BUFFER);
    http2
}
