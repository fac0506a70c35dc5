//! `sessiond stats`

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use serde_json::{Value as Json, json};
use sessiond_client::proto::EncryptionStatistics;
use sessiond_client::{Error, Statistics, Timestamp};
use tokio::signal::ctrl_c;
use tokio::time::sleep;

use crate::cli::complain;
use crate::cli::input::args::{ServerArgs, positive_duration};
use crate::cli::output::failure::Stop;
use crate::cli::output::report::Report;
use crate::cli::output::units::{counted, grouped, length, moment, now, rough};
use sessiond::printable::printable;

/// Moves a terminal's cursor to its first line and clears everything below.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

const EXAMPLES: &str = "Examples:
  sessiond stats
  sessiond stats --watch
  sessiond stats --watch=10s --json | jq .sessions

With --json, each line is one JSON object.";

/// Arguments of `stats`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    /// Show the statistics again and again, by default every 2s, until Ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, num_args = 0..=1, require_equals = true,
          default_missing_value = "2s")]
    watch: Option<Duration>,

    #[command(flatten)]
    server: ServerArgs,
}

impl StatsArgs {
    pub(crate) async fn run(self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Stop> {
        let client = self.server.client()?;
        let first = client.statistics().await?;
        self.print(&first, out)?;
        let Some(pause) = self.watch else {
            return Ok(());
        };
        let again = async {
            let mut lost = false;
            loop {
                sleep(pause).await;
                match client.statistics().await {
                    Ok(statistics) => {
                        lost = false;
                        self.print(&statistics, out)?;
                    }
                    Err(
                        error @ (Error::Unavailable { .. } | Error::NotReady { .. } | Error::DeadlineExceeded { .. }),
                    ) => {
                        if !lost {
                            complain(err, &format!("{error}; trying again"));
                        }
                        lost = true;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        tokio::select! {
            result = again => result,
            Ok(()) = ctrl_c() => Ok(()),
        }
    }

    fn print(&self, statistics: &Statistics, out: &mut impl Write) -> io::Result<()> {
        let mut text = table(statistics, now());
        if self.watch.is_some() && !self.server.json() {
            if io::stdout().is_terminal() {
                text.insert_str(0, CLEAR);
            } else {
                // An empty line between the portions.
                text.push('\n');
            }
        }
        Report::new(text, to_json(statistics)).write(self.server.json(), out)
    }
}

/// Lines; the last one has no line end.
fn table(statistics: &Statistics, now: Timestamp) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a String does not fail.
        let _ = write!(text, "{gap}{name:<13} {value}");
    };
    if let Some(start) = statistics.start_time {
        line("started", &moment(start, now));
    }
    line("sessions", &grouped(statistics.sessions));
    for namespace in &statistics.namespaces {
        line(&format!("  {}", printable(&namespace.namespace)), &grouped(namespace.sessions));
    }
    let rate = |total: u64, rate: f64| format!("{} since the start, {rate:.1}/s now", grouped(total));
    line("created", &rate(statistics.created, statistics.created_per_second));
    line("expired", &rate(statistics.expired, statistics.expired_per_second));
    line("sweeper lag", &span(statistics.sweeper_lag));
    let size = |bytes| ByteSize::b(bytes).display().iec().to_string();
    line("disk", &size(statistics.disk_bytes));
    line("memory", &size(statistics.memory_bytes));
    line("CPU time", &span(statistics.cpu_time));
    line("commits", &commits(statistics));
    line("events kept", &grouped(statistics.events_kept));
    line("watchers", &grouped(statistics.watchers));
    line("refused", &format!("{} for lack of disk space since the start", grouped(statistics.refused_for_space)));
    line("damage", &format!("met by {} since the start", counted(statistics.met_damage, "request")));
    line("stalls", &format!("{} of the storage since the start", grouped(statistics.storage_stalls)));
    if let Some(encryption) = &statistics.encryption {
        line("encryption", &encryption_words(encryption));
    }
    if let Some(ahead) = statistics.clock_ahead {
        let set = counted(statistics.clock_steps, "time");
        line("clock", &format!("{}; the system's clock was set {set} since the start", agreement(ahead)));
    }
    text
}

/// How data at rest is encrypted.
fn encryption_words(encryption: &EncryptionStatistics) -> String {
    let EncryptionStatistics { key, older_keys, partly_plain, sessions_checked, sessions_expected } = encryption;
    let target = if key.is_empty() { "being turned into plain".to_owned() } else { format!("key {key}") };
    let mut left = older_keys.clone();
    if *partly_plain {
        left.push("plain".to_owned());
    }
    if left.is_empty() {
        return target;
    }
    let (checked, expected) = (grouped(*sessions_checked), grouped(*sessions_expected));
    format!("{target}; some data is still under {}: {checked} of about {expected} sessions checked", left.join(", "))
}

/// How the time of the sessions and the system's clock differ.
fn agreement(ahead: sessiond_client::Duration) -> String {
    let word = if ahead.seconds < 0 { "behind" } else { "ahead of" };
    match ahead.seconds.unsigned_abs() {
        0 => "as the system's".to_owned(),
        seconds => format!("{} {word} the system's", rough(seconds)),
    }
}

/// In words; "none" if it is zero, or if an older server does not tell it.
fn span(span: Option<sessiond_client::Duration>) -> String {
    let span = span.map_or(Ok(Duration::ZERO), Duration::try_from).unwrap_or_default();
    if span.is_zero() { "none".to_owned() } else { length(span) }
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people, with one digit")]
fn commits(statistics: &Statistics) -> String {
    if statistics.groups == 0 {
        return "0".to_owned();
    }
    let mean = statistics.grouped_transactions as f64 / statistics.groups as f64;
    format!(
        "{}; transactions in each: {mean:.1} on average, {} at most",
        grouped(statistics.groups),
        grouped(statistics.largest_group)
    )
}

fn to_json(statistics: &Statistics) -> Json {
    let namespaces: serde_json::Map<String, Json> = statistics
        .namespaces
        .iter()
        .map(|namespace| (namespace.namespace.clone(), namespace.sessions.into()))
        .collect();
    json!({
        "sessions": statistics.sessions,
        "namespaces": namespaces,
        "created": statistics.created,
        "expired": statistics.expired,
        "created_per_second": statistics.created_per_second,
        "expired_per_second": statistics.expired_per_second,
        "disk_bytes": statistics.disk_bytes,
        "memory_bytes": statistics.memory_bytes,
        "sweeper_lag": statistics.sweeper_lag.map(|lag| lag.to_string()),
        "groups": statistics.groups,
        "grouped_transactions": statistics.grouped_transactions,
        "largest_group": statistics.largest_group,
        "start_time": statistics.start_time.map(|time| time.to_string()),
        "events_kept": statistics.events_kept,
        "resume_token": statistics.resume_token,
        "watchers": statistics.watchers,
        "refused_for_space": statistics.refused_for_space,
        "met_damage": statistics.met_damage,
        "storage_stalls": statistics.storage_stalls,
        "cpu_time": statistics.cpu_time.map(|time| time.to_string()),
        "clock_steps": statistics.clock_steps,
        "clock_ahead": statistics.clock_ahead.map(|ahead| ahead.to_string()),
        "encryption": statistics.encryption.as_ref().map(|encryption| json!({
            "key": encryption.key,
            "older_keys": encryption.older_keys,
            "partly_plain": encryption.partly_plain,
            "sessions_checked": encryption.sessions_checked,
            "sessions_expected": encryption.sessions_expected,
        })),
        "current_time": statistics.current_time.map(|time| time.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use sessiond_client::proto::NamespaceStatistics;

    use super::*;

    #[test]
    fn the_table_has_human_units() {
        let statistics = Statistics {
            sessions: 1_234,
            namespaces: vec![NamespaceStatistics { namespace: "shop".to_owned(), sessions: 1_234 }],
            created: 5_678,
            created_per_second: 12.34,
            disk_bytes: 12 * 1024 * 1024,
            sweeper_lag: Some(sessiond_client::Duration { seconds: 1, nanos: 200_000_000 }),
            groups: 2,
            grouped_transactions: 5,
            largest_group: 4,
            start_time: Some(Timestamp::default()),
            events_kept: 1_041,
            met_damage: 1,
            storage_stalls: 2,
            cpu_time: Some(sessiond_client::Duration { seconds: 90, nanos: 5_000_000 }),
            encryption: Some(EncryptionStatistics {
                key: "4f9a12cd".to_owned(),
                older_keys: vec!["00aa11bb".to_owned()],
                partly_plain: true,
                sessions_checked: 1_000,
                sessions_expected: 1_234,
            }),
            clock_steps: 1,
            clock_ahead: Some(sessiond_client::Duration { seconds: -3_600, nanos: 0 }),
            ..Statistics::default()
        };
        let now = Timestamp { seconds: 60, nanos: 0 };
        let expected = "\
started       1970-01-01T00:00:00Z (1m ago)
sessions      1,234
  shop        1,234
created       5,678 since the start, 12.3/s now
expired       0 since the start, 0.0/s now
sweeper lag   1s 200ms
disk          12.0 MiB
memory        0 B
CPU time      1m 30s 5ms
commits       2; transactions in each: 2.5 on average, 4 at most
events kept   1,041
watchers      0
refused       0 for lack of disk space since the start
damage        met by 1 request since the start
stalls        2 of the storage since the start
encryption    key 4f9a12cd; some data is still under 00aa11bb, plain: 1,000 of about 1,234 sessions checked
clock         1h behind the system's; the system's clock was set 1 time since the start";
        assert_eq!(table(&statistics, now), expected);
    }
}
