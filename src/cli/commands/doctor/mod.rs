//! `sessiond doctor`

mod certificate;
mod contract;
mod local;
mod scrape;

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use serde_json::json;
use sessiond_client::{Client, Error, Health, Timestamp};
use tokio::time::Instant;

use crate::cli::input::args::ServerArgs;
use crate::cli::output::failure::{FAILED, Failure};
use crate::cli::output::report::Report;
use crate::cli::output::units::{length, now};
use sessiond::printable::printable;

/// How many calls the latency is the median of.
const CALLS: usize = 5;
/// A store that takes longer is felt in every request.
const SLOW: Duration = Duration::from_millis(50);
/// Clocks that are kept by NTP differ by far less.
const CLOCKS_MAY_DIFFER: i64 = 1_000;
/// By default, the server refuses writes that would leave less: `min-free-space`.
const FULL: u64 = 256 << 20;
const NEARLY_FULL: u64 = 1 << 30;

const EXAMPLES: &str = "Examples:
  sessiond doctor
  sessiond doctor --addr https://sessions.internal:50051 --metrics sessions.internal:9464
  sessiond doctor --addr unix:/run/sessiond/sessiond.sock --data-dir /var/lib/sessiond

Each line begins with ok, warn or fail, and says what to do.

Exit codes: 0 nothing failed, 1 something did, 2 wrong usage.";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// The server's data folder, if it is on this machine: its permissions and its disk are checked
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Where the server answers scrapes (metrics-listen): its version and its disk are checked
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check found, and what to do about it.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// Empty if there is nothing to do.
    remedy: &'static str,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), remedy: "" }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), remedy }
    }

    fn fail(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), remedy }
    }

    fn line(&self) -> String {
        let gap = if self.remedy.is_empty() { "" } else { "; " };
        format!("{:<5} {:<12} {}{gap}{}", self.verdict.word(), self.check, printable(&self.found), self.remedy)
    }
}

impl DoctorArgs {
    pub(crate) fn json(&self) -> bool {
        self.server.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let client = self.server.client()?;
        let mut findings = vec![self.address()];
        findings.extend(
            self.server.addresses().iter().filter_map(|address| address.strip_prefix("unix:")).map(local::socket),
        );
        let (health, answers) = health(&client).await;
        findings.push(health);
        if answers {
            findings.push(latency(&client).await);
            findings.extend(parts(&client).await);
            findings.push(contract::check(&client, self.server.timeout).await);
            findings.push(clock(&client).await);
        }
        for address in self.server.addresses() {
            if let Some(authority) = address.strip_prefix("https://") {
                findings.push(certificate::check(authority, self.server.timeout).await);
            }
        }
        if let Some(address) = &self.metrics {
            findings.extend(scrape::check(address, self.server.timeout).await);
        }
        if let Some(folder) = &self.data_dir {
            findings.extend(local::folder(folder));
        }
        report(&findings)
    }

    fn address(&self) -> Finding {
        let addresses = self.server.addresses();
        let is_open = |address: &String| {
            let host = address.trim_start_matches("http://");
            !["unix:", "https://", "127.", "localhost:", "[::1]:"].iter().any(|start| host.starts_with(start))
        };
        let text = addresses.join(", ");
        if addresses.iter().any(is_open) {
            let found = format!("{text}: not encrypted");
            return Finding::warn("address", found, "whoever can read the network sees session IDs: use https://");
        }
        Finding::ok("address", text)
    }
}

/// Whether the server serves, and whether it answers at all.
async fn health(client: &Client) -> (Finding, bool) {
    match client.health("").await {
        Ok(Health::Serving) => (Finding::ok("health", "serving"), true),
        Ok(Health::NotServing | Health::UnknownService) => {
            let remedy = "it is starting or ending, or its storage is stuck: see its log";
            (Finding::fail("health", "not serving", remedy), true)
        }
        Err(error) => {
            let remedy = "is it running, is this its address, and does a firewall let this machine through?";
            (Finding::fail("health", error.to_string(), remedy), false)
        }
    }
}

async fn latency(client: &Client) -> Finding {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        if let Err(error) = client.health("").await {
            return Finding::fail("latency", error.to_string(), "the connection is lost at times: look at the network");
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median = times[CALLS / 2];
    let found = format!("{:.1} ms for a call, the median of {CALLS}", median.as_secs_f64() * 1_000.0);
    if median > SLOW {
        return Finding::warn("latency", found, "every request waits as long: run the server nearer, or with more CPU");
    }
    Finding::ok("latency", found)
}

/// The parts of the server whose health has a name of its own. An older server does not know all of them.
async fn parts(client: &Client) -> Vec<Finding> {
    let parts = [
        ("writes", "sessiond.writes", Verdict::Fail, "writes are refused: make room on its disk"),
        ("sweeper", "sessiond.sweeper", Verdict::Warn, "expired sessions are removed late: see sweep-batch"),
        ("certificate", "sessiond.certificate", Verdict::Warn, "its new files can't be used: see its log"),
        ("access", "sessiond.access", Verdict::Warn, "its new rules or tokens can't be used: see its log"),
    ];
    let mut findings = Vec::new();
    for (check, service, verdict, remedy) in parts {
        match client.health(service).await {
            Ok(Health::Serving) => findings.push(Finding::ok(check, "serving")),
            Ok(Health::NotServing) => {
                findings.push(Finding { check, verdict, found: "not serving".to_owned(), remedy });
            }
            Ok(Health::UnknownService) | Err(_) => {}
        }
    }
    findings
}

async fn clock(client: &Client) -> Finding {
    let before = millis(now());
    let statistics = match client.statistics().await {
        Ok(statistics) => statistics,
        Err(error @ (Error::Unavailable { .. } | Error::DeadlineExceeded { .. })) => {
            return Finding::fail("clock", error.to_string(), "look at the server's log");
        }
        Err(error) => {
            let remedy = "the clock is not compared: this caller needs the permission statistics";
            return Finding::warn("clock", error.to_string(), remedy);
        }
    };
    let Some(theirs) = statistics.current_time.map(millis) else {
        return Finding::warn(
            "clock",
            "the server does not tell its time",
            "it is older than this command: upgrade it",
        );
    };
    let after = millis(now());
    // Between both looks at this clock, the server looked at its own.
    let differs = if theirs < before { theirs - before } else { (theirs - after).max(0) };
    let word = if differs < 0 { "behind" } else { "ahead of" };
    let by = length(Duration::from_millis(differs.unsigned_abs()));
    match differs.abs() {
        0 => Finding::ok("clock", "as this machine's"),
        small if small <= CLOCKS_MAY_DIFFER => Finding::ok("clock", format!("{by} {word} this machine's")),
        _ => {
            let remedy = "sessions end early or late by as much: keep both clocks by NTP";
            Finding::warn("clock", format!("{by} {word} this machine's"), remedy)
        }
    }
}

fn millis(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000)
}

/// What is free on the disk of the data.
fn disk(free: u64) -> Finding {
    let found = format!("{} are free", ByteSize::b(free).display().iec());
    match free {
        ..FULL => Finding::fail("disk", found, "writes are refused below min-free-space (256 MiB): make room"),
        FULL..NEARLY_FULL => Finding::warn("disk", found, "make room before min-free-space (256 MiB) is reached"),
        _ => Finding::ok("disk", found),
    }
}

fn report(findings: &[Finding]) -> Result<Report, Failure> {
    let lines: Vec<String> = findings.iter().map(Finding::line).collect();
    let checks: Vec<_> = findings
        .iter()
        .map(|Finding { check, verdict, found, remedy }| {
            json!({ "check": check, "verdict": verdict.word(), "found": found, "remedy": remedy })
        })
        .collect();
    let report = Report::new(lines.join("\n"), json!({ "checks": checks }));
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    if failed == 0 {
        return Ok(report);
    }
    let message = format!("{failed} of {} checks failed", findings.len());
    Err(Failure { message, code: FAILED, report: Some(Box::new(report)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_what_the_server_keeps_free() {
        let verdicts = [0, FULL - 1, FULL, NEARLY_FULL - 1, NEARLY_FULL].map(|free| disk(free).verdict.word());
        assert_eq!(verdicts, ["fail", "fail", "warn", "warn", "ok"]);
    }

    #[test]
    fn what_failed_is_said_with_all_that_was_found() {
        let findings = [Finding::ok("health", "serving"), disk(0)];
        let failure = report(&findings).expect_err("a disk without space fails");
        assert_eq!((failure.message.as_str(), failure.code), ("1 of 2 checks failed", FAILED));
        let line = findings[1].line();
        assert_eq!(
            line,
            "fail  disk         0 B are free; writes are refused below min-free-space (256 MiB): make room"
        );
        assert!(report(&findings[..1]).is_ok());
    }
}
