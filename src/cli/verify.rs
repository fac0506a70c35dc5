//! `sessiond verify`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sessiond::engine::sled::{Verified, verify};

use super::failure::Failure;
use super::output::Report;
use super::units::grouped;

const EXAMPLES: &str = "Examples:
  sessiond verify --data-dir /var/lib/sessiond
  sessiond verify --data-dir /mnt/copy-of-the-data --json

Reads all that is in use and changes nothing. A server must not be using the folder: stop it, or check a copy.
Exit codes: 0 nothing is damaged, 1 something is, or the folder can't be read, 2 wrong usage.";

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// The data folder to check
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Print JSON in one line, for scripts
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl VerifyArgs {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) fn run(self) -> Result<Report, Failure> {
        let verified = verify(&self.data_dir).map_err(|error| Failure::new(error.to_string()))?;
        let report = report(&verified);
        if verified.is_clean() {
            return Ok(report);
        }
        let folder = self.data_dir.display();
        let remedy = format!("save what can be read with sessiond salvage --data-dir {folder} --to NEW-FOLDER");
        let message = format!("{folder} is damaged; {remedy}, or restore a backup");
        Err(Failure { report: Some(Box::new(report)), ..Failure::new(message) })
    }
}

fn report(verified: &Verified) -> Report {
    let handles: Vec<String> = verified.damaged_sessions.iter().map(ToString::to_string).collect();
    let opens = verified.refusal.as_ref().map_or_else(|| "yes".to_owned(), |damage| format!("no: {damage}"));
    let mut text = format!(
        "{:<18} {}\n{:<18} {}\n{:<18} {}\n{:<18} {}\n{:<18} {opens}",
        "sessions",
        grouped(verified.sessions),
        "damaged sessions",
        grouped(handles.len() as u64),
        "pages",
        grouped(verified.pages as u64),
        "damaged pages",
        grouped(verified.damaged_pages as u64),
        "a server opens it",
    );
    for handle in &handles {
        text.push_str("\n  damaged ");
        text.push_str(handle);
    }
    let json = json!({
        "sessions": verified.sessions,
        "damaged_sessions": handles,
        "pages": verified.pages,
        "damaged_pages": verified.damaged_pages,
        "refusal": verified.refusal,
    });
    Report::new(text, json)
}
