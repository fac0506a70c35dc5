//! A sessiond under load.

use std::time::Duration;

use clap::ValueEnum;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, RotateSessionRequest, SessionChange, Timeouts,
};
use sessiond_client::{Client, ClientBuilder, Error, RetryPolicy, SettingsError};

use super::{IDLE_TIMEOUT, Lane, Operation, Outcome, Target, Usage};
use crate::cli::output::failure::Failure;

/// The attribute that all data is in.
const ATTRIBUTE: &str = "data";

/// Every visitor who logs in is this one.
const PRINCIPAL: &str = "visitor";

/// How calls travel. The comments are also the help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli::bench) enum LaneChoice {
    /// Those in flight on a connection together, in one stream
    Fast,
    /// Each as a request of its own
    Unary,
}

impl LaneChoice {
    pub(in crate::cli::bench) fn apply(self, client: ClientBuilder) -> ClientBuilder {
        client.lane(match self {
            Self::Fast => sessiond_client::Lane::Auto,
            Self::Unary => sessiond_client::Lane::Unary,
        })
    }
}

/// How to use a sessiond.
#[derive(Clone, Debug)]
pub(in crate::cli::bench) struct SessiondSettings {
    /// Of every connection.
    pub(in crate::cli::bench) client: ClientBuilder,
    /// Lanes on each connection.
    pub(in crate::cli::bench) in_flight: usize,
}

/// A sessiond under load.
pub(in crate::cli::bench) struct Sessiond {
    settings: SessiondSettings,
    /// For what the load has no part in.
    control: Client,
}

impl Sessiond {
    /// Reaches a server, which must answer.
    pub(in crate::cli::bench) async fn reach(settings: SessiondSettings) -> Result<Self, Failure> {
        let control = connect(&settings)?;
        control.statistics().await?;
        Ok(Self { settings, control })
    }
}

/// Nothing is repeated: a failure is to be seen.
fn connect(settings: &SessiondSettings) -> Result<Client, SettingsError> {
    settings.client.clone().retry(RetryPolicy::never()).connect_lazy()
}

impl Target for Sessiond {
    type Lane = SessiondLane;

    fn name(&self) -> &'static str {
        "sessiond"
    }

    fn lanes(&self) -> Result<Vec<SessiondLane>, String> {
        let client = connect(&self.settings).map_err(|error| error.to_string())?;
        Ok(vec![SessiondLane { client }; self.settings.in_flight])
    }

    async fn usage(&self) -> Result<Usage, String> {
        let statistics = self.control.statistics().await.map_err(|error| error.to_string())?;
        let cpu = statistics.cpu_time.and_then(|time| Duration::try_from(time).ok());
        Ok(Usage { cpu, memory_bytes: statistics.memory_bytes })
    }
}

/// One call at a time; the client puts the calls of all lanes on its one connection.
#[derive(Clone)]
pub(in crate::cli::bench) struct SessiondLane {
    client: Client,
}

impl SessiondLane {
    async fn call(&self, operation: &Operation<'_>) -> Result<Option<String>, Error> {
        let client = &self.client;
        match operation {
            Operation::Read(id) => drop(client.get(*id).await?),
            Operation::Write(id, data) => {
                drop(client.update(*id, SessionChange::new().set(ATTRIBUTE, data.clone())).await?);
            }
            Operation::Create(data) => {
                let timeouts = Timeouts::new().idle(IDLE_TIMEOUT);
                let request = CreateSessionRequest::new().attribute(ATTRIBUTE, data.clone()).timeouts(timeouts);
                return Ok(Some(client.create(request).await?.session_id));
            }
            Operation::Rotate(id, _) => {
                let log_in = SessionChange::new().set_principal(PRINCIPAL);
                return Ok(Some(client.rotate(RotateSessionRequest::new(*id).change(log_in)).await?.session_id));
            }
            Operation::Delete(id) => {
                client.delete(DeleteSessionRequest::by_id(*id).allow_missing()).await?;
            }
        }
        Ok(None)
    }
}

impl Lane for SessiondLane {
    fn width(&self) -> usize {
        1
    }

    async fn perform(&mut self, operations: &[Operation<'_>]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(operations.len());
        for operation in operations {
            outcomes.push(self.call(operation).await.map_err(|error| error.to_string()));
        }
        outcomes
    }
}
