//! `sessiond lock`

use std::time::Duration;

use clap::Args;
use sessiond_client::Lock;
use sessiond_client::proto::LockSessionRequest;

use crate::cli::input::args::{ClientArgs, SessionArg, duration, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = concat!(
    "Example:
  token=$(sessiond lock --quiet \"$id\" --lease 30s --wait 5s)
  sessiond set \"$id\" step=2 --lock-token \"$token\"
  sessiond unlock \"$id\" \"$token\"

A lock binds only callers that use locks: a change without a lock token never waits.",
    exit_codes!()
);

/// Arguments of `lock`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LockArgs {
    #[command(flatten)]
    id: SessionArg,

    /// How long to hold the lock unless it is released, from 100ms to 60s [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lease: Option<Duration>,

    /// How long to wait while another caller holds the lock, at most 30s [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,

    /// Renew the lock with this token instead of taking a new one; "-" reads the token from standard input
    #[arg(long, value_name = "TOKEN", conflicts_with = "wait")]
    renew: Option<SecretArg>,

    /// Print the lock's token and nothing else
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl LockArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let mut request = LockSessionRequest::new(self.id.reveal()?);
        if let Some(lease) = self.lease {
            request = request.lease(lease);
        }
        if let Some(wait) = self.wait {
            request = request.wait(wait);
        }
        if let Some(token) = self.renew {
            request = request.renew(token.reveal_as("lock token")?);
        }
        let locked = self.client.client()?.lock(request).await;
        let Lock { lock_token, expire_time, .. } = locked.map_err(|error| self.client.failure(error))?;
        Ok(Report::secret("lock_token", &lock_token, expire_time, self.quiet))
    }
}
