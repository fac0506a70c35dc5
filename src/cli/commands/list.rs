//! `sessiond list`

use std::io::Write;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use sessiond_client::proto::{ListSessionsRequest, Session};
use sessiond_client::{Client, Timestamp};

use crate::cli::input::args::ClientArgs;
use crate::cli::output::failure::Stop;
use crate::cli::output::report::{listed_json, listed_text, session_json};
use crate::cli::output::table::Table;
use crate::cli::output::units::{ago, cut, now, rough};
use sessiond::printable::{escape_controls, printable};

/// The most sessions on a page.
const LARGEST_PAGE: u64 = 1_000;
/// The most characters in a column that can be long. JSON shows the whole text.
const LONGEST: usize = 48;

const EXAMPLES: &str = "Examples:
  sessiond list --principal user-42
  sessiond list --namespace shop --all
  sessiond list --principal user-42 --json | jq -r '.sessions[].handle'

The list shows no session IDs: the server does not know them. Use the handle to delete or revoke a session.";

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// List only the sessions of this user
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    principal: Option<String>,

    /// Show each session in full, with its attributes
    #[arg(long)]
    full: bool,

    /// Show at most this many sessions
    #[arg(long, value_name = "NUMBER", value_parser = limit, default_value = "50")]
    limit: u64,

    /// Show all sessions
    #[arg(long, conflicts_with = "limit")]
    all: bool,

    #[command(flatten)]
    client: ClientArgs,
}

fn limit(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{text:?} is not a whole number above 0; write for example 200, or --all instead"))
}

impl ListArgs {
    pub(crate) async fn run(self, out: &mut impl Write) -> Result<(), Stop> {
        let client = self.client.client()?;
        let request = ListSessionsRequest::new().principal(self.principal.unwrap_or_default());
        let request = if self.full { request.full() } else { request };
        let limit = if self.all { u64::MAX } else { self.limit };
        let mut pages = Pages::new(client, request, limit);
        if self.client.json() {
            print_json(&mut pages, self.full, out).await
        } else {
            print_text(&mut pages, self.full, out).await
        }
    }
}

/// The pages of a listing, up to a limit.
struct Pages {
    client: Client,
    /// For the next page; `None` at the end.
    request: Option<ListSessionsRequest>,
    /// How many sessions may still be shown.
    left: u64,
    /// Whether there are sessions beyond the limit.
    more: bool,
}

impl Pages {
    fn new(client: Client, request: ListSessionsRequest, limit: u64) -> Self {
        Self { client, request: Some(request), left: limit, more: false }
    }

    /// The sessions of the next page; it may be empty.
    async fn next(&mut self) -> Result<Option<Vec<Session>>, Stop> {
        let Some(request) = self.request.take() else {
            return Ok(None);
        };
        // One session more than is shown tells whether there are more.
        let size = self.left.saturating_add(1).min(LARGEST_PAGE);
        let request = request.page_size(u32::try_from(size).unwrap_or(u32::MAX));
        let page = self.client.list(request.clone()).await?;
        let mut sessions = page.sessions;
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        self.more = sessions.len() > left;
        sessions.truncate(left);
        self.left -= u64::try_from(sessions.len()).unwrap_or(self.left);
        if !self.more {
            self.request = page.next_page_token.map(|token| request.page_token(token));
        }
        Ok(Some(sessions))
    }
}

async fn print_text(pages: &mut Pages, full: bool, out: &mut impl Write) -> Result<(), Stop> {
    let mut table = Table::new(["HANDLE", "PRINCIPAL", "LABELS", "CREATED", "LAST ACCESS", "EXPIRES"]);
    let mut any = false;
    while let Some(sessions) = pages.next().await? {
        if sessions.is_empty() {
            continue;
        }
        if full {
            for session in &sessions {
                let gap = if any { "\n" } else { "" };
                writeln!(out, "{gap}{}", listed_text(session))?;
                any = true;
            }
        } else {
            let now = now();
            let rows = sessions.iter().map(|session| row(session, now)).collect();
            out.write_all(table.rows(rows).as_bytes())?;
            any = true;
        }
        out.flush()?;
    }
    if !any {
        writeln!(out, "no sessions")?;
    }
    if pages.more {
        writeln!(out, "\nThere are more: see them with --limit NUMBER or --all.")?;
    }
    Ok(out.flush()?)
}

/// One object in one line, however many pages that takes.
async fn print_json(pages: &mut Pages, full: bool, out: &mut impl Write) -> Result<(), Stop> {
    write!(out, "{{\"sessions\":[")?;
    let mut gap = "";
    while let Some(sessions) = pages.next().await? {
        for session in &sessions {
            let json = if full { listed_json(session) } else { session_json(session) };
            let json = serde_json::Value::from(json).to_string();
            write!(out, "{gap}{}", escape_controls(&json))?;
            gap = ",";
        }
    }
    writeln!(out, "],\"more\":{}}}", pages.more)?;
    Ok(out.flush()?)
}

fn row(session: &Session, now: Timestamp) -> [String; 6] {
    let principal = if session.principal.is_empty() { "-".to_owned() } else { printable(&session.principal) };
    let labels: Vec<String> =
        session.labels.iter().map(|(name, value)| format!("{}={}", printable(name), printable(value))).collect();
    let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(" ") };
    let past = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| ago(time, now));
    let expires = session.expire_time.map_or_else(
        || "-".to_owned(),
        |time| match time.seconds.saturating_sub(now.seconds) {
            seconds @ 1.. => format!("in {}", rough(seconds.unsigned_abs())),
            _ => "now".to_owned(),
        },
    );
    [
        printable(&session.handle),
        cut(principal, LONGEST),
        cut(labels, LONGEST),
        past(session.create_time),
        past(session.last_access_time),
        expires,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_no_control_characters_and_no_empty_cell() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let session = Session {
            handle: "019b76da-a800-7000-8000-000000000000".to_owned(),
            labels: [("device", "a \u{1b}[2J trick"), ("address", "::1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            create_time: at(0),
            last_access_time: at(100),
            expire_time: at(1_900),
            ..Session::default()
        };
        let now = Timestamp { seconds: 100, nanos: 0 };
        assert_eq!(
            row(&session, now),
            [
                "019b76da-a800-7000-8000-000000000000",
                "-",
                "address=::1 device=a \\u{1b}[2J trick",
                "1m 40s ago",
                "now",
                "in 30m"
            ]
        );
    }
}
