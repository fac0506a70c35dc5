//! `sessiond unlock`

use clap::Args;
use serde_json::json;
use sessiond_client::proto::UnlockSessionRequest;

use crate::cli::input::args::{ClientArgs, SessionArg};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = "Examples:
  sessiond unlock \"$id\" \"$token\"
  printf '%s\\n' \"$id\" \"$token\" | sessiond unlock - -";

/// Arguments of `unlock`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    id: SessionArg,

    /// The lock's token; "-" reads it from standard input, after the ID if both are read there
    token: SecretArg,

    #[command(flatten)]
    client: ClientArgs,
}

impl UnlockArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let id = self.id.reveal()?;
        let request = UnlockSessionRequest::new(id, self.token.reveal_as("lock token")?);
        let released = self.client.client()?.unlock(request).await?;
        let text = if released { "released" } else { "the lock was no longer held" };
        Ok(Report::new(text, json!({ "released": released })))
    }
}
