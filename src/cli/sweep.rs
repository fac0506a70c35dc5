//! `sessiond sweep`

use clap::Args;
use serde_json::json;

use super::args::ServerArgs;
use super::failure::Failure;
use super::output::Report;
use super::units::counted;

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
    pub(super) fn json(&self) -> bool {
        self.server.json
    }

    pub(super) async fn run(self) -> Result<Report, Failure> {
        let removed = self.server.client()?.sweep_now().await?;
        let text = format!("removed {}", counted(removed, "expired session"));
        Ok(Report::new(text, json!({ "removed": removed })))
    }
}
