//! `sessiond touch`

use clap::Args;

use crate::cli::input::args::{ClientArgs, SessionArg, exit_codes};
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = concat!("Example:\n  sessiond touch \"$id\"", exit_codes!());

/// Arguments of `touch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TouchArgs {
    #[command(flatten)]
    id: SessionArg,

    #[command(flatten)]
    client: ClientArgs,
}

impl TouchArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let touched = self.client.client()?.touch(self.id.reveal()?).await;
        let touched = touched.map_err(|error| self.client.failure(error))?;
        Ok(Report::touched(&touched))
    }
}
