//! One connection: TLS if its address has it, then requests of HTTP/1, one after the other.

use super::Console;
use super::guard::{self, Site};
use super::refusal::Refusal;
use super::{api, page};
use crate::server::calls::caller::CallerSearch;
use crate::server::connections::listener::Accepted;
use crate::server::connections::socket::{Connection, WorkerLoad};
use crate::server::connections::turns::Line;
use crate::service::{Lane, Share};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};

/// The head of a request may be so large.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// The head of a request must have arrived after this time, and so must the handshake before the first. A connection without
/// a request is closed after as long.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// When the server ends, an answer that is on its way has so long to be taken.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What the requests of one connection have in common.
pub(super) struct Peer {
    pub(super) console: Arc<Console>,
    pub(super) share: Arc<Share>,
    pub(super) caller: CallerSearch,
    site: Site,
}

/// Serves a connection to its end.
pub(super) async fn serve(accepted: Accepted, line: Line, console: Arc<Console>, stopping: watch::Receiver<bool>) {
    let services = &console.services;
    let (from, site) = (accepted.peer_address(), Site::of(&accepted));
    let tls = services.tls.clone().filter(|_| accepted.is_tls());
    let share = services.budget.share();
    let load = WorkerLoad::add_to(&console.gauges.load);
    // It gives up a peer that does not take what it is sent.
    let send_timeout = services.settings.send_timeout;
    let connection = match Connection::adopt(accepted, load, line, Arc::clone(&share), send_timeout) {
        Ok(connection) => connection,
        Err(error) => return tracing::warn!(%error, "a connection for the console can't be served"),
    };
    // A browser shows its certificate with every request, whoever has caused it; so a caller is known by its token alone. And
    // whoever is at the other end of a Unix socket is a proxy.
    let caller = CallerSearch::new(services.authorizer.clone(), from, None, services.recorder.clone());
    let peer = Peer { console: Arc::clone(&console), share, caller: caller.in_lane(Lane::Console), site };
    let Some(tls) = tls else { return speak(connection, peer, stopping).await };
    match timeout(HEAD_WITHIN, tls.accept_http1(connection)).await {
        Ok(Ok(stream)) => speak(stream, peer, stopping).await,
        Ok(Err(error)) => {
            tracing::info!(%error, from = from.map(tracing::field::display), "a handshake of TLS with the console failed");
        }
        // The peer sends nothing.
        Err(_) => {}
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    mut stopping: watch::Receiver<bool>,
) {
    let peer = Arc::new(peer);
    let service = service_fn(move |request| {
        let peer = Arc::clone(&peer);
        async move { Ok::<_, Infallible>(answer(&peer, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is the peer's affair.
        _ = connection.as_mut() => return,
        // Without a sender the server is gone.
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(CLOSE_WITHIN, connection).await.ok();
}

/// Answers a request. What holds for every answer is added here.
async fn answer(peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let answered = match guard::check_host(&request, &peer.console.hosts, &peer.site) {
        Err(refusal) => Err(refusal),
        Ok(()) if request.uri().path().starts_with(api::PREFIX) => api::answer(peer, request).await,
        Ok(()) => page::answer(&request),
    };
    let mut response = answered.unwrap_or_else(Refusal::into_response);
    guard::protect(response.headers_mut());
    response
}
