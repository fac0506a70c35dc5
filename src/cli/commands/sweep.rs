//! `sessiond sweep`

use clap::Args;
use serde_json::json;

use crate::cli::input::args::ServerArgs;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;
use crate::cli::output::units::counted;

const EXAMPLES: &str = "Examples:
  sessiond sweep
  sessiond sweep --timeout 5m --json

The server sweeps by itself. An expired session is absent everywhere, swept or not.";

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    server: ServerArgs,
}

impl SweepArgs {
    pub(crate) fn json(&self) -> bool {
        self.server.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let removed = self.server.client()?.sweep_now().await?;
        let text = format!("removed {}", counted(removed, "expired session"));
        Ok(Report::new(text, json!({ "removed": removed })))
    }
}
