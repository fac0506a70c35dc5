//! One connection: HTTP/1 for scrapes and probes, HTTP/2 for gRPC's health. Hyper tells which of the two it is.

use super::probes;
use super::sources::Sources;
use super::text::Text;
use crate::server::process::health::{HealthService, Phase};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use tonic::codegen::http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic_health::pb::health_server::{HealthServer, SERVICE_NAME as HEALTH};
use tower::Service;

/// The head of a request may be so large, and so may the message of a gRPC call.
const MAX_HEAD: u32 = 8 << 10;

/// A request must have arrived after this time, and must be answered after as much again. A connection without a request
/// is closed after as long.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// After a first request in time, no connection lasts longer, even if its peer reads no answer. Whoever asks regularly
/// connects again.
const LASTS: Duration = Duration::from_secs(25);

/// Calls at the same time on a connection with HTTP/2.
const MAX_STREAMS: u32 = 8;

/// Bytes of requests that HTTP/2 lets arrive before they are read, and bytes of answers that it keeps for a slow peer.
const WINDOW: u32 = 64 << 10;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What is answered, the same on each connection.
#[derive(Clone)]
pub(super) struct Answers {
    metrics: Arc<Text>,
    phase: watch::Receiver<Phase>,
    health: HealthServer<HealthService>,
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answers: Answers) {
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&has_asked);
    let service = hyper::service::service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        answers.clone().answer(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_WITHIN).max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(WINDOW as usize);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is the peer's affair.
    if timeout(REQUEST_WITHIN, connection.as_mut()).await.is_ok() || !has_asked.load(Ordering::Relaxed) {
        return;
    }
    if timeout(LASTS, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        timeout(REQUEST_WITHIN, connection).await.ok();
    }
}

impl Answers {
    pub(super) fn new(sources: Sources) -> Self {
        let phase = sources.services.vitals.phase.clone();
        let health =
            HealthService::server(sources.services.vitals.clone()).max_decoding_message_size(MAX_HEAD as usize);
        Self { metrics: Arc::new(Text::new(sources)), phase, health }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let Self { metrics, phase, mut health } = self;
        let path = request.uri().path();
        if path.strip_prefix('/').is_some_and(|path| path.split('/').next() == Some(HEALTH)) {
            // A stream of HTTP/2 is a task of its own, which ends a moment after its connection. While it waits, it must not
            // hold what metrics are read from: that includes the engine, which is to be closed by then.
            drop(metrics);
            let answered = timeout(REQUEST_WITHIN, health.call(request)).await;
            return answered.unwrap_or_else(|_| Ok(plain(StatusCode::REQUEST_TIMEOUT, "the request did not arrive\n")));
        }
        if !matches!(path, "/metrics" | "/livez" | "/readyz") {
            return Ok(plain(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n"));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        let phase = *phase.borrow();
        Ok(match path {
            "/livez" => probe(probes::live(phase)),
            "/readyz" => probe(probes::ready(phase)),
            _ => {
                let mut response = response(StatusCode::OK, metrics.current());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Text::CONTENT_TYPE));
                response
            }
        })
    }
}

fn probe((is_well, line): (bool, &'static str)) -> Response<Body> {
    plain(if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, line)
}

fn plain(status: StatusCode, line: &'static str) -> Response<Body> {
    response(status, Bytes::from_static(line.as_bytes()))
}

fn response(status: StatusCode, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
