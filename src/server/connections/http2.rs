//! One connection: HTTP/2, from the greeting to the farewell. Each phase of it has an end.

use super::socket::Connection;
use crate::server::calls::answer::Piece;
use crate::server::calls::call::Peer;
use crate::server::process::health::Phase;
use h2::server::{Builder, Connection as Http2};
use h2::{Ping, PingPong, Reason};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Finds out whether a peer is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// A peer that does not answer a ping for so long is gone.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection that has to go, or has no call when the server drains, may take for its farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes that a peer may send in one stream, and in the whole connection, before they are read.
const WINDOW: u32 = 1 << 20;

/// Bytes of one answer that may wait for the operating system to take them.
const SEND_BUFFER: usize = 400 << 10;

/// Streams that were reset here because the peer broke the rules; one more ends the connection.
const MAX_RESETS: usize = 1_024;

/// Headers that are larger than allowed are read up to so many times the bound, so that the call can be told.
const HEADERS_READ: u32 = 4;

/// Why a connection ended badly.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum Broken {
    /// The peer broke the rules, or its side of the connection is gone.
    #[error(transparent)]
    Http2(#[from] h2::Error),
    /// The peer says nothing.
    #[error("the peer does not answer")]
    Silent,
}

/// Serves a connection to its end.
pub(in crate::server) async fn serve(
    connection: Connection,
    peer: Peer,
    phase: watch::Receiver<Phase>,
) -> Result<(), Broken> {
    let peer = Arc::new(peer);
    let mut draining = pin!(draining(phase));
    let greeting = timeout(peer.settings.receive_timeout, http2(&peer).handshake(connection));
    let mut connection = tokio::select! {
        biased;
        greeting = greeting => match greeting {
            Ok(greeted) => greeted?,
            Err(_) => return Err(Broken::Silent),
        },
        // It has nothing to lose.
        () = peer.seat.told_to_leave() => return Ok(()),
        () = &mut draining => return Ok(()),
    };
    peer.seat.greeted();

    let mut pings = Pings::new(connection.ping_pong());
    let mut leave = pin!(peer.seat.told_to_leave());
    let mut farewell = Farewell::None;
    loop {
        // Not biased: a peer that sends without a pause must not keep the farewell from being noticed.
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, reply) = accepted?;
                    tokio::spawn(Arc::clone(&peer).answer(request, reply));
                }
                None => return Ok(()),
            },
            () = &mut leave, if farewell != Farewell::MustLeave => {
                if peer.seat.is_cut_off() {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                } else {
                    connection.graceful_shutdown();
                }
                farewell = Farewell::MustLeave;
                pings.alarm.as_mut().reset(Instant::now() + FAREWELL);
            }
            () = &mut draining, if farewell == Farewell::None => {
                connection.graceful_shutdown();
                farewell = Farewell::Drains;
                pings.alarm.as_mut().reset(Instant::now() + FAREWELL);
            }
            pinged = pings.go_on(farewell) => {
                pinged?;
                if may_end(farewell, &mut connection, &peer) {
                    return Ok(());
                }
                pings.alarm.as_mut().reset(Instant::now() + FAREWELL);
            }
        }
    }
}

/// Whether and why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    None,
    /// The server drains: calls that have begun are finished.
    Drains,
    /// Another connection wants the seat.
    MustLeave,
}

/// Whether a connection that has been bidden farewell can be closed, although the peer has not closed it.
fn may_end(farewell: Farewell, connection: &mut Http2<Connection, Piece>, peer: &Peer) -> bool {
    match farewell {
        Farewell::None => false,
        Farewell::Drains => !connection.has_streams(),
        // A call that came at the last moment may still be answered.
        Farewell::MustLeave => peer.seat.is_cut_off() || !connection.has_streams() || peer.seat.is_quiet_for(FAREWELL),
    }
}

/// Looks now and then whether the peer is still there; after a farewell, the clock of that.
struct Pings {
    peer: Option<PingPong>,
    alarm: Pin<Box<Sleep>>,
    awaits_pong: bool,
}

impl Pings {
    fn new(peer: Option<PingPong>) -> Self {
        Self { peer, alarm: Box::pin(sleep(PING_EVERY)), awaits_pong: false }
    }

    /// Asks and listens, until the peer is gone, which is an error. After a farewell it only waits for the alarm.
    async fn go_on(&mut self, farewell: Farewell) -> Result<(), Broken> {
        loop {
            if farewell != Farewell::None {
                self.alarm.as_mut().await;
                return Ok(());
            }
            let Some(peer) = &mut self.peer else { return std::future::pending().await };
            if self.awaits_pong {
                tokio::select! {
                    biased;
                    pong = poll_fn(|cx| peer.poll_pong(cx)) => pong.map(drop)?,
                    () = self.alarm.as_mut() => return Err(Broken::Silent),
                }
                self.awaits_pong = false;
                self.alarm.as_mut().reset(Instant::now() + PING_EVERY);
            } else {
                self.alarm.as_mut().await;
                peer.send_ping(Ping::opaque())?;
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
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(settings.max_header_size.saturating_mul(HEADERS_READ))
        .max_local_error_reset_streams(Some(MAX_RESETS))
        .max_send_buffer_size(SEND_BUFFER);
    http2
}

async fn draining(mut phase: watch::Receiver<Phase>) {
    // Without a sender the server is gone, which ends the worker too.
    phase.wait_for(|phase| *phase == Phase::Draining).await.ok();
}
