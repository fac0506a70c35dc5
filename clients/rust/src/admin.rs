//! How the server is: the calls for operators.

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Statistics;
use crate::client::Client;
use crate::error::Error;
use crate::proto::admin_client::AdminClient;
use crate::proto::{GetStatisticsRequest, SweepNowRequest};

/// What a server says of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes calls.
    Serving,
    /// It is starting, draining, or can't reach its storage.
    NotServing,
    /// It does not know the service that was asked for.
    UnknownService,
}

impl Client {
    /// Asks how the server is. The empty name means the server as a whole.
    pub async fn health(&self, service: impl Into<String>) -> Result<Health, Error> {
        let request = HealthCheckRequest { service: service.into() };
        let send = |channel, request| {
            let mut stub = HealthClient::new(channel);
            async move { stub.check(request).await }
        };
        match self.call(request, send).await {
            Ok(response) => Ok(match response.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing | ServingStatus::Unknown => Health::NotServing,
                ServingStatus::ServiceUnknown => Health::UnknownService,
            }),
            Err(status) if status.code() == Code::NotFound => Ok(Health::UnknownService),
            Err(status) => Err(self.error(&status)),
        }
    }

    /// What the server holds and does.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let send = |channel, request| {
            let mut stub = AdminClient::new(channel);
            async move { stub.get_statistics(request).await }
        };
        let answer = self.call(GetStatisticsRequest {}, send).await;
        answer.map_err(|status| self.error(&status))
    }

    /// Removes every session that has expired by now, instead of waiting for the sweeper's next turn. Answers how many.
    pub async fn sweep_now(&self) -> Result<u64, Error> {
        let send = |channel, request| {
            let mut stub = AdminClient::new(channel);
            async move { stub.sweep_now(request).await }
        };
        let answer = self.call(SweepNowRequest {}, send).await;
        Ok(answer.map_err(|status| self.error(&status))?.removed)
    }
}
