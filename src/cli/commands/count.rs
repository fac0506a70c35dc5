//! `sessiond count`

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;
use sessiond_client::proto::CountSessionsRequest;

use crate::cli::input::args::ClientArgs;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = "Examples:
  sessiond count --principal user-42
  sessiond count --namespace shop --timeout 1m

The server looks at each session, which takes about a second for a few hundred thousand.";

/// Arguments of `count`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CountArgs {
    /// Count only the sessions of this user
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    principal: Option<String>,

    #[command(flatten)]
    client: ClientArgs,
}

impl CountArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let request = CountSessionsRequest::new().principal(self.principal.unwrap_or_default());
        let count = self.client.client()?.count(request).await?;
        Ok(Report::new(count.to_string(), json!({ "count": count })))
    }
}
