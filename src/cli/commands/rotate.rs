//! `sessiond rotate`

use std::time::Duration;

use clap::Args;
use sessiond_client::Rotated;
use sessiond_client::proto::{RotateSessionRequest, SessionChange};

use crate::cli::input::args::{ChangeArgs, ClientArgs, duration, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = concat!(
    "Examples:
  sessiond rotate \"$id\"
  sessiond rotate \"$id\" --principal user-42 --grace 10s
  id=$(sessiond rotate --quiet \"$id\")",
    exit_codes!()
);

/// Arguments of `rotate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RotateArgs {
    /// The session's present ID; "-" reads it from standard input, which keeps it out of the process list
    id: SecretArg,

    #[command(flatten)]
    change: ChangeArgs,

    /// How long the old ID can still read the session, at most 60s [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,

    /// Use this new ID instead of one that the server makes, which is safer; "-" reads it from standard input
    #[arg(long, value_name = "ID")]
    new_id: Option<SecretArg>,

    /// Rotate only if the session has this version
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<u64>,

    /// Print the new ID and nothing else
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl RotateArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let change = self.change.change();
        let request = RotateSessionRequest {
            new_session_id: self.new_id.map(SecretArg::reveal).transpose()?.unwrap_or_default(),
            change: Some(change).filter(|change| *change != SessionChange::default()),
            expected_version: self.expect_version,
            ..RotateSessionRequest::new(self.id.reveal()?)
        };
        let request = match self.grace {
            Some(grace) => request.grace(grace),
            None => request,
        };
        let rotated = self.client.client()?.rotate(request).await;
        let Rotated { session_id, session } = rotated.map_err(|error| self.client.failure(error))?;
        Ok(Report::session_with_id(session_id, &session, self.quiet))
    }
}
