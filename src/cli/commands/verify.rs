//! `sessiond verify`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use sessiond::engine::{Verified, verify};
use sessiond_client::{Address, Client, Error, VerifySummary};

use crate::cli::input::args::{KeyArgs, OutputArgs, TlsArgs, TokenArgs};
use crate::cli::output::failure::Failure;
use crate::cli::output::progress;
use crate::cli::output::report::Report;
use crate::cli::output::units::grouped;

const EXAMPLES: &str = "Examples:
  sessiond verify --data-dir /var/lib/sessiond
  sessiond verify --server 127.0.0.1:50051 --json

With --data-dir, the command reads all data in use in the folder of a stopped server, or in a copy of it. With \
--server, a running server checks its own data at low priority while it serves: every session, the rows by which it \
is found, listed and swept, and every event. The server does not read again from disk what it keeps in its cache. \
Nothing is changed.

Exit codes: 0 nothing is damaged, 1 something is damaged or can't be checked, 2 wrong usage.";

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Check this data folder, which no server may be using
    #[arg(long, value_name = "DIR", required_unless_present = "server", conflicts_with = "server")]
    data_dir: Option<PathBuf>,

    /// Have the running server check its own data: HOST:PORT, https://HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Address>,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl VerifyArgs {
    pub(crate) fn json(&self) -> bool {
        self.output.json
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        match (&self.data_dir, &self.server) {
            (Some(folder), _) => check_folder(folder, &self.keys),
            (None, Some(server)) => self.check_server(server).await,
            (None, None) => Err(Failure::usage("say what to check: --data-dir or --server")),
        }
    }

    async fn check_server(&self, server: &Address) -> Result<Report, Failure> {
        let client = Client::builder().address(server.to_string()).tls(self.tls.tls());
        let client = self.token.apply(client).connect_lazy()?;
        let mut check = client.verify().await?;
        let bar = progress::bar("checking", "sessions and events", None, self.output.json);
        while let Some(told) = check.next().await {
            let told = told?;
            let expected = told.sessions_expected + told.events_expected;
            bar.set_length(expected);
            bar.set_position(expected.min(told.sessions_checked + told.events_checked));
        }
        bar.finish_and_clear();
        // The stream ends without an error only after its summary.
        let summary = check.summary().ok_or_else(|| Error::NotReady { address: server.to_string() })?;
        let remedy = "stop the server and save what can be read with sessiond salvage, or restore a backup";
        judge(
            summary.is_whole(),
            of_server(summary),
            format!("the data of the server at {server} is damaged; {remedy}"),
        )
    }
}

fn check_folder(folder: &Path, keys: &KeyArgs) -> Result<Report, Failure> {
    let verified = verify(folder, keys.load()?.as_ref()).map_err(|error| Failure::new(error.to_string()))?;
    let folder = folder.display();
    let remedy = format!("save what can be read with sessiond salvage --data-dir {folder} --to NEW-FOLDER");
    judge(verified.is_clean(), of_folder(&verified), format!("{folder} is damaged; {remedy}, or restore a backup"))
}

/// The report is printed in any case; damage makes it a failure.
fn judge(is_whole: bool, report: Report, damage: String) -> Result<Report, Failure> {
    if is_whole { Ok(report) } else { Err(Failure { report: Some(Box::new(report)), ..Failure::new(damage) }) }
}

fn of_folder(verified: &Verified) -> Report {
    let handles: Vec<String> = verified.damaged_sessions.iter().map(ToString::to_string).collect();
    let opens = verified.refusal.as_ref().map_or_else(|| "yes".to_owned(), |damage| format!("no: {damage}"));
    let counts = [
        ("sessions", verified.sessions),
        ("damaged sessions", handles.len() as u64),
        ("events", verified.events),
        ("damaged events", verified.damaged_events),
        ("pages", verified.pages as u64),
        ("damaged pages", verified.damaged_pages as u64),
    ];
    let text = format!("{}\n{:<18} {opens}{}", table(&counts), "a server opens it", list("damaged", &handles));
    let json = json!({
        "sessions": verified.sessions,
        "damaged_sessions": handles,
        "events": verified.events,
        "damaged_events": verified.damaged_events,
        "pages": verified.pages,
        "damaged_pages": verified.damaged_pages,
        "refusal": verified.refusal,
    });
    Report::new(text, json)
}

fn of_server(summary: &VerifySummary) -> Report {
    let counts = [
        ("sessions", summary.sessions),
        ("damaged sessions", summary.damaged_sessions),
        ("unindexed sessions", summary.unindexed_sessions),
        ("events", summary.events),
        ("damaged events", summary.damaged_events),
        ("damaged pages", summary.damaged_pages),
    ];
    let [damaged, unindexed] = [("damaged", &summary.damaged_handles), ("unindexed", &summary.unindexed_handles)]
        .map(|(word, handles)| list(word, handles));
    Report::new(format!("{}{damaged}{unindexed}", table(&counts)), to_json(summary))
}

fn to_json(summary: &VerifySummary) -> Json {
    json!({
        "begin_time": summary.begin_time.map(|time| time.to_string()),
        "end_time": summary.end_time.map(|time| time.to_string()),
        "sessions": summary.sessions,
        "damaged_sessions": summary.damaged_sessions,
        "damaged_handles": summary.damaged_handles,
        "unindexed_sessions": summary.unindexed_sessions,
        "unindexed_handles": summary.unindexed_handles,
        "events": summary.events,
        "damaged_events": summary.damaged_events,
        "damaged_pages": summary.damaged_pages,
    })
}

fn table(counts: &[(&str, u64)]) -> String {
    let lines: Vec<String> = counts.iter().map(|(name, count)| format!("{name:<18} {}", grouped(*count))).collect();
    lines.join("\n")
}

/// A line for each handle.
fn list(word: &str, handles: &[String]) -> String {
    handles.iter().flat_map(|handle| ["\n  ", word, " ", handle]).collect()
}
