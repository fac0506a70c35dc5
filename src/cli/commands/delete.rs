//! `sessiond delete`

use clap::Args;
use sessiond_client::proto::DeleteSessionRequest;

use crate::cli::input::args::{ClientArgs, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = concat!(
    "Examples:
  sessiond delete \"$id\"
  sessiond delete --handle 019b76da-a800-7000-8000-000000000000 --allow-missing",
    exit_codes!()
);

/// Arguments of `delete`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeleteArgs {
    /// The session's ID; "-" reads it from standard input, which keeps it out of the process list
    #[arg(required_unless_present = "handle", conflicts_with = "handle")]
    id: Option<SecretArg>,

    /// Name the session by its handle instead of its ID
    #[arg(long)]
    handle: Option<String>,

    /// Succeed even if there is no such session
    #[arg(long)]
    allow_missing: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl DeleteArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let by_handle = self.handle.is_some();
        let request = match (self.id, self.handle) {
            (Some(id), _) => DeleteSessionRequest::by_id(id.reveal()?),
            (None, handle) => DeleteSessionRequest::by_handle(handle.unwrap_or_default()),
        };
        let request = if self.allow_missing { request.allow_missing() } else { request };
        let deleted = self.client.client()?.delete(request).await.map_err(|error| {
            if by_handle { self.client.failure_of_handle(error) } else { self.client.failure(error) }
        })?;
        Ok(Report::deleted(deleted))
    }
}
