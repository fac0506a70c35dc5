//! `sessiond create`

use clap::Args;
use sessiond_client::Created;
use sessiond_client::proto::CreateSessionRequest;

use crate::cli::input::args::{ClientArgs, DataArgs, TimeoutArgs};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = "Examples:
  sessiond create theme=dark visits=1
  sessiond create '{\"cart\": {\"sku\": \"A-1\", \"count\": 2}}' --idle-timeout 30m --absolute-timeout 12h
  id=$(sessiond create --quiet --principal user-42 --label device=phone)";

/// Arguments of `create`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CreateArgs {
    /// Use this ID instead of one that the server makes, which is safer; "-" reads it from standard input
    #[arg(long)]
    id: Option<SecretArg>,

    #[command(flatten)]
    data: DataArgs,

    /// The user that the session belongs to
    #[arg(long, default_value = "", hide_default_value = true)]
    principal: String,

    #[command(flatten)]
    timeouts: TimeoutArgs,

    /// Print the session's ID and nothing else
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl CreateArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let (attributes, labels) = self.data.into_parts();
        let request = CreateSessionRequest {
            session_id: self.id.map(SecretArg::reveal).transpose()?.unwrap_or_default(),
            attributes,
            principal: self.principal,
            labels,
            timeouts: self.timeouts.timeouts(),
            ..CreateSessionRequest::default()
        };
        let Created { session_id, session } = self.client.client()?.create(request).await?;
        Ok(Report::session_with_id(session_id, &session, self.quiet))
    }
}
