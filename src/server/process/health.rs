//! `grpc.health.v1.Health`, honest in every phase.
//!
//! - The empty name (the whole server) and `sessiond.v1.SessionStore` serve once the engine is open, until it fails or the
//!   server drains; not while a restored engine replaces an empty one.
//! - `sessiond.writes` also stops serving while writes are refused because disk space is low.
//! - `sessiond.sweeper` also stops serving while the sweeper is behind.
//! - `sessiond.certificate` also stops serving while the files of the certificate can't be used, and the one before is.
//! - `sessiond.access` also stops serving while the files of access rules can't be used, and the rules before are.
//!
//! The last four are separate, so that none of them takes the server away from readers.

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
    /// The engine makes no progress. It may recover.
    Stalled,
    /// The engine has failed.
    Failed,
    /// The server is about to end.
    Draining,
}

impl Phase {
    /// All of them.
    pub(in crate::server) const ALL: [Self; 7] =
        [Self::Starting, Self::Serving, Self::ReadOnly, Self::Restoring, Self::Stalled, Self::Failed, Self::Draining];

    /// The name in metrics.
    pub(in crate::server) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::ReadOnly => "read-only",
            Self::Restoring => "restoring",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::Draining => "draining",
        }
    }
}

/// Resolves when the server drains.
pub(in crate::server) async fn draining(mut phase: watch::Receiver<Phase>) {
    // Without a sender the server is gone, which ends the worker too.
    phase.wait_for(|phase| *phase == Phase::Draining).await.ok();
}

/// What health is judged by.
#[derive(Clone)]
pub(in crate::server) struct Vitals {
    pub(in crate::server) phase: watch::Receiver<Phase>,
    pub(in crate::server) sweeper_behind: watch::Receiver<bool>,
    /// The files of the certificate can't be used.
    pub(in crate::server) certificate_stale: watch::Receiver<bool>,
    /// The files of access rules can't be used.
    pub(in crate::server) access_stale: watch::Receiver<bool>,
}

/// The health service.
#[derive(Clone)]
pub(in crate::server) struct HealthService(Vitals);

impl HealthService {
    pub(in crate::server) fn server(vitals: Vitals) -> HealthServer<Self> {
        HealthServer::new(Self(vitals))
    }

    /// The status of a service at present; `None` if there is no such service.
    fn status_of(&self, service: &str) -> Option<ServingStatus> {
        let phase = *self.0.phase.borrow();
        let reads = matches!(phase, Phase::Serving | Phase::ReadOnly);
        let serves = match service {
            "" | "sessiond.v1.SessionStore" => reads,
            "sessiond.writes" => phase == Phase::Serving,
            "sessiond.sweeper" => reads && !*self.0.sweeper_behind.borrow(),
            "sessiond.certificate" => reads && !*self.0.certificate_stale.borrow(),
            "sessiond.access" => reads && !*self.0.access_stale.borrow(),
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
        let Vitals { phase, sweeper_behind, certificate_stale, access_stale } = self.0.clone();
        let flags = [sweeper_behind, certificate_stale, access_stale].map(|flag| WatchStream::new(flag).map(drop));
        let [sweeper, certificate, access] = flags;
        let answers = WatchStream::new(phase)
            .map(drop)
            .merge(sweeper)
            .merge(certificate)
            .merge(access)
            .map(move |()| {
                let draining = *this.0.phase.borrow() == Phase::Draining;
                (draining, this.status_of(&service).unwrap_or(ServingStatus::ServiceUnknown))
            })
            .take_while(move |(draining, _)| !std::mem::replace(&mut drained, *draining))
            .map(|(_, status)| status)
            .filter(move |status| last.replace(*status) != Some(*status))
            .map(|status| Ok(response(status)));
        Ok(Response::new(Box::pin(answers)))
    }
}
