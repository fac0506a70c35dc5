//! `grpc.health.v1.Health`, honest in every phase.
//!
//! - The empty name (the whole server) and `sessiond.v1.SessionStore` serve once the engine is open, until it fails or the
//!   server drains; not while a restored engine replaces an empty one.
//! - `sessiond.writes` also stops serving while writes are refused because disk space is low.
//! - `sessiond.sweeper` also stops serving while the sweeper is behind.
//!
//! The last two are separate, so that neither a full disk nor a late sweeper takes the server away from readers.

use std::pin::Pin;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// What the server can do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The engine is being opened.
    Starting,
    /// All is well.
    Serving,
    /// Reads and deletes are served; writes are refused.
    ReadOnly,
    /// A restored engine replaces an empty one.
    Restoring,
    /// The engine makes no progress or has failed.
    Failing,
    /// The server is about to end.
    Draining,
}

/// Resolves when the server drains.
pub(in crate::server) async fn draining(mut phase: watch::Receiver<Phase>) {
    // Without a sender the server is gone, which ends the worker too.
    phase.wait_for(|phase| *phase == Phase::Draining).await.ok();
}

/// The health service over a phase.
#[derive(Clone)]
pub(in crate::server) struct HealthService {
    phase: watch::Receiver<Phase>,
    sweeper_behind: watch::Receiver<bool>,
}

impl HealthService {
    pub(in crate::server) fn server(
        phase: watch::Receiver<Phase>,
        sweeper_behind: watch::Receiver<bool>,
    ) -> HealthServer<Self> {
        HealthServer::new(Self { phase, sweeper_behind })
    }

    /// The status of a service at present; `None` if there is no such service.
    fn status_of(&self, service: &str) -> Option<ServingStatus> {
        let phase = *self.phase.borrow();
        let serves = match service {
            "" | "sessiond.v1.SessionStore" => matches!(phase, Phase::Serving | Phase::ReadOnly),
            "sessiond.writes" => phase == Phase::Serving,
            "sessiond.sweeper" => matches!(phase, Phase::Serving | Phase::ReadOnly) && !*self.sweeper_behind.borrow(),
            _ => return None,
        };
        Some(if serves { ServingStatus::Serving } else { ServingStatus::NotServing })
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let status = self.status_of(&request.get_ref().service);
        status
            .map(|status| Response::new(response(status)))
            .ok_or_else(|| Status::not_found("no such service; ask for \"\" to check the whole server"))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The stream ends when the server drains, so that a watcher does not hold the drain up.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let mut drained = false;
        let mut last = None;
        let this = self.clone();
        let phases = WatchStream::new(self.phase.clone()).map(drop);
        let answers = phases
            .merge(WatchStream::new(self.sweeper_behind.clone()).map(drop))
            .map(move |()| {
                let draining = *this.phase.borrow() == Phase::Draining;
                (draining, this.status_of(&service).unwrap_or(ServingStatus::ServiceUnknown))
            })
            .take_while(move |(draining, _)| !std::mem::replace(&mut drained, *draining))
            .map(|(_, status)| status)
            .filter(move |status| last.replace(*status) != Some(*status))
            .map(|status| Ok(response(status)));
        Ok(Response::new(Box::pin(answers)))
    }
}
