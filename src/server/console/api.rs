//! The calls of the page. Each stands for a method of the contract and is carried out by it.

use super::MAX_STREAMS;
use super::answer;
use super::connection::{MAX_HEAD, Peer};
use super::events::{EventBody, WatchCall};
use super::guard;
use super::refusal::Refusal;
use super::request::{ListSessions, Nothing, RevokeSessions, WatchSessions, parse, receive};
use crate::authorization::Caller;
use crate::call_record::CallRecord;
use crate::proto::admin_server::Admin;
use crate::proto::session_store_server::SessionStore;
use crate::proto::{GetStatisticsRequest, ListSessionsRequest, RevokeSessionsRequest, WatchSessionsRequest};
use crate::server::calls::route::Route;
use crate::service::{Lane, ReceivedMessages, call_timed_out};
use bytes::Bytes;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::{Code, Status};

/// The paths of calls begin so.
pub(super) const PREFIX: &str = "/api/";

/// A call is given up after this time.
const CALL_WITHIN: Duration = Duration::from_secs(30);

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// A method that the page can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// Tells who calls. It is no method of the contract.
    WhoAmI,
    GetStatistics,
    ListSessions,
    RevokeSessions,
    WatchSessions,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "WhoAmI" => Self::WhoAmI,
            "GetStatistics" => Self::GetStatistics,
            "ListSessions" => Self::ListSessions,
            "RevokeSessions" => Self::RevokeSessions,
            "WatchSessions" => Self::WatchSessions,
            _ => return None,
        })
    }

    /// The call of gRPC that it stands for.
    fn route(self) -> Route {
        Route::of(match self {
            Self::WhoAmI => "",
            Self::GetStatistics => "/sessiond.v1.Admin/GetStatistics",
            Self::ListSessions => "/sessiond.v1.SessionStore/ListSessions",
            Self::RevokeSessions => "/sessiond.v1.SessionStore/RevokeSessions",
            Self::WatchSessions => "/sessiond.v1.SessionStore/WatchSessions",
        })
    }
}

/// Answers a call.
pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let method = request.uri().path().strip_prefix(PREFIX).and_then(Method::named);
    let method = method.ok_or_else(|| Refusal::not_there("the console makes no such call; load its page again"))?;
    guard::check_call(&request)?;
    let (parts, body) = request.into_parts();
    match method {
        Method::WhoAmI => peer.who_am_i(&parts.headers).await,
        Method::WatchSessions => peer.watch(&parts.headers, body).await,
        method => peer.call(method, &parts.headers, body).await,
    }
}

impl Peer {
    /// Tells the name of the caller, and whether anybody is asked for it.
    async fn who_am_i(&self, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
        let extensions = self.let_in(Method::WhoAmI.route(), headers, None).await?;
        let caller = extensions.get().and_then(Caller::name);
        let is_asked = self.console.services.authorizer.is_some();
        let told = json!({ "caller": caller, "token_needed": is_asked, "version": env!("CARGO_PKG_VERSION") });
        Ok(answer::json(StatusCode::OK, &told, None))
    }

    /// Carries out a call with one answer, and tells of it.
    async fn call(&self, method: Method, headers: &HeaderMap, body: Incoming) -> Result<Response<Body>, Refusal> {
        let (began, route) = (Instant::now(), method.route());
        let record = self.caller.record(route, headers, began);
        let carried = timeout(CALL_WITHIN, self.carry_out(method, record.as_ref(), headers, body)).await;
        let answered = carried.unwrap_or_else(|_| Err(call_timed_out().into()));
        let code = answered.as_ref().err().map_or(Code::Ok, Refusal::code);
        if let Some(record) = record {
            record.end(code, began.elapsed());
        }
        self.console.gauges.calls.count(Lane::Console, route.rpc, code, began.elapsed());
        answered
    }

    async fn carry_out(
        &self,
        method: Method,
        record: Option<&CallRecord>,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let route = method.route();
        // Whoever is not let in gets no memory.
        let extensions = self.let_in(route, headers, record).await?;
        let body = receive(body).await?;
        let mut held = self.share.take().map_err(Status::from)?;
        held.add(body.len() + route.answer.bytes(&self.console.services.settings));
        let told = self.dispatch(method, extensions, &body).await?;
        Ok(answer::json(StatusCode::OK, &told, Some(held)))
    }

    async fn dispatch(&self, method: Method, extensions: Extensions, body: &Bytes) -> Result<Value, Refusal> {
        let services = &self.console.services;
        match method {
            Method::GetStatistics => {
                let Nothing {} = parse(body)?;
                let request = with(extensions, GetStatisticsRequest {});
                let statistics = services.admin.get_statistics(request).await?;
                Ok(answer::statistics(statistics.get_ref(), &self.console.workers))
            }
            Method::ListSessions => {
                let list: ListSessionsRequest = parse::<ListSessions>(body)?.try_into()?;
                let page = services.store.list_sessions(with(extensions, list)).await?;
                answer::sessions(page.get_ref()).map_err(|_| Status::internal("a session could not be read").into())
            }
            Method::RevokeSessions => {
                let revoke: RevokeSessionsRequest = parse::<RevokeSessions>(body)?.try_into()?;
                let revoked = services.store.revoke_sessions(with(extensions, revoke)).await?;
                Ok(answer::revoked(revoked.into_inner()))
            }
            Method::WhoAmI | Method::WatchSessions => Err(Status::internal("it is no call with one answer").into()),
        }
    }

    /// Opens a stream of events.
    async fn watch(&self, headers: &HeaderMap, body: Incoming) -> Result<Response<Body>, Refusal> {
        let (began, route) = (Instant::now(), Method::WatchSessions.route());
        let permit = Arc::clone(&self.console.streams).try_acquire_owned().map_err(|_| {
            Refusal::too_many_streams(format!("{MAX_STREAMS} streams of events are open; close the console elsewhere"))
        })?;
        let counts = Arc::clone(&self.console.gauges.calls);
        let record = self.caller.record(route, headers, began);
        let mut call = WatchCall { record, counts, began, code: Code::Cancelled, _permit: permit };
        let opened = timeout(CALL_WITHIN, async {
            let mut extensions = self.let_in(route, headers, call.record.as_ref()).await?;
            let watch: WatchSessionsRequest = parse::<WatchSessions>(&receive(body).await?)?.into();
            extensions.insert(ReceivedMessages::new(Arc::clone(&self.share), Arc::clone(&call.counts)));
            Ok(self.console.services.store.watch_sessions(with(extensions, watch)).await?.into_inner())
        });
        let opened = opened.await.unwrap_or_else(|_| Err(call_timed_out().into()));
        let events = opened.inspect_err(|refusal: &Refusal| call.code = refusal.code())?;
        let mut response = Response::new(Body::new(EventBody::new(events, call)));
        response.headers_mut().insert(CONTENT_TYPE, LINES);
        Ok(response)
    }

    /// What the service wants to know of the caller, who must be known where rules of access are set.
    async fn let_in(
        &self,
        route: Route,
        headers: &HeaderMap,
        record: Option<&CallRecord>,
    ) -> Result<Extensions, Refusal> {
        let mut extensions = Extensions::new();
        let stay = || self.share.open_call(MAX_HEAD);
        self.caller.let_in(route, headers, record, &mut extensions, stay).await.map_err(Status::from)?;
        Ok(extensions)
    }
}

fn with<T>(extensions: Extensions, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    *request.extensions_mut() = extensions;
    request
}
