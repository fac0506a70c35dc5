//! `sessiond salvage`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sessiond::clock::ClockFile;
use sessiond::engine::{Salvaged, salvage};

use crate::cli::input::args::{KeyArgs, OutputArgs};
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;
use crate::cli::output::units::grouped;

const EXAMPLES: &str = "Examples:
  sessiond salvage --data-dir /var/lib/sessiond --to /var/lib/sessiond-saved
  sessiond salvage --data-dir /mnt/damaged --to /var/lib/sessiond --doubtful --json

The command saves the sessions that can be read into a new folder, with which a server can then be started. It does \
not change the old folder, which no server may be using. It leaves out a session that may have been changed or ended \
after what can be read of it, unless --doubtful is given. Watchers that resume are told that events are missing.

Exit codes: 0 everything was saved, 1 something is lost or doubtful, 2 wrong usage.";

/// Arguments of `salvage`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SalvageArgs {
    /// The damaged data folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// The new data folder; it must be empty or absent
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Also save sessions that may have been changed or ended after what can be read of them
    #[arg(long)]
    doubtful: bool,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl SalvageArgs {
    pub(crate) fn json(&self) -> bool {
        self.output.json
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let salvaged = salvage(&self.data_dir, &self.to, self.doubtful, self.keys.load()?).await;
        let salvaged = salvaged.map_err(|error| Failure::new(error.to_string()))?;
        // What had expired stays expired, even under a clock that is behind.
        ClockFile::inherit(&self.data_dir, &self.to)
            .map_err(|error| Failure::new(format!("the newest time could not be saved: {error}")))?;
        let report = report(&salvaged, self.doubtful);
        if salvaged.is_complete() {
            return Ok(report);
        }
        let message = "not everything could be saved; users whose sessions are lost have to log in again";
        Err(Failure { report: Some(Box::new(report)), ..Failure::new(message) })
    }
}

fn report(salvaged: &Salvaged, took_doubtful: bool) -> Report {
    let lost: Vec<String> = salvaged.lost.iter().map(ToString::to_string).collect();
    let doubtful: Vec<String> = salvaged.doubtful.iter().map(ToString::to_string).collect();
    let and_more = if salvaged.unknown_losses { ", and perhaps some that left no trace" } else { "" };
    let doubtful_are = if took_doubtful { "saved all the same" } else { "not saved; --doubtful saves them" };
    let mut text = format!(
        "{:<9} {}\n{:<9} {}{and_more}\n{:<9} {}",
        "saved",
        grouped(salvaged.saved),
        "lost",
        grouped(lost.len() as u64),
        "doubtful",
        grouped(doubtful.len() as u64),
    );
    if !doubtful.is_empty() {
        text.extend([" (", doubtful_are, ")"]);
    }
    for (word, handles) in [("lost", &lost), ("doubtful", &doubtful)] {
        for handle in handles {
            text.extend(["\n  ", word, " ", handle]);
        }
    }
    let json = json!({
        "saved": salvaged.saved,
        "lost": lost,
        "doubtful": doubtful,
        "unknown_losses": salvaged.unknown_losses,
    });
    Report::new(text, json)
}
