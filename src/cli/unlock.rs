//! `sessiond unlock`

use clap::Args;
use serde_json::json;
use sessiond_client::proto::UnlockSessionRequest;

use super::args::ClientArgs;
use super::failure::Failure;
use super::output::Report;
use super::secret::SecretArg;

const EXAMPLES: &str = "Examples:
  sessiond unlock \"$id\" \"$token\"
  printf '%s\\n' \"$id\" \"$token\" | sessiond unlock - -";

/// Arguments of `unlock`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnlockArgs {
    /// The session's ID; "-" reads it from standard input, so that it does not stand in the process list
    id: SecretArg,

    /// The lock's token; "-" reads it from standard input, below the ID if that stands there too
    token: SecretArg,

    #[command(flatten)]
    client: ClientArgs,
}

impl UnlockArgs {
    pub(super) fn json(&self) -> bool {
        self.client.json()
    }

    pub(super) async fn run(self) -> Result<Report, Failure> {
        let id = self.id.reveal()?;
        let request = UnlockSessionRequest::new(id, self.token.reveal_as("lock token")?);
        let released = self.client.client()?.unlock(request).await?;
        let text = if released { "released" } else { "the lock did not hold any more" };
        Ok(Report::new(text, json!({ "released": released })))
    }
}
