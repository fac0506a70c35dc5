//! `sessiond watch`

use std::io::Write;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};
use sessiond_client::json::attributes_to_json;
use sessiond_client::proto::{EventKind, WatchSessionsRequest};
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use tokio::signal::ctrl_c;
use tokio::time::sleep;

use crate::cli::complain;
use crate::cli::input::args::ClientArgs;
use crate::cli::output::failure::{Failure, Stop};
use crate::cli::output::report::session_json;
use sessiond::printable::{escape_controls, printable};

/// How long to wait before connecting again.
const PAUSE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "Examples:
  sessiond watch --principal user-42
  sessiond watch --all-namespaces --kind deleted,expired,revoked
  sessiond watch --after \"$(tail -n 1 seen.jsonl | jq -r .resume_token)\" --json >> seen.jsonl

Each line shows time, kind, namespace, handle and principal. With --json, each line is one JSON object, whose \
resume_token can be given to --after. The events of one session come in order.

If the connection is lost, the command connects again and resumes after the last event. Ctrl-C ends it.";

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// Watch only the sessions of this user
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    principal: Option<String>,

    /// Watch only these kinds of events, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    kind: Vec<Kind>,

    /// Watch every namespace, whatever --namespace says
    #[arg(long)]
    all_namespaces: bool,

    /// Resume after the event or backup with this resume token; without it, begin now
    #[arg(long, value_name = "TOKEN", value_parser = NonEmptyStringValueParser::new())]
    after: Option<String>,

    /// Show the last attributes of sessions that ended, if the namespace keeps them (event-attributes) and they are not sealed
    #[arg(long)]
    attributes: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Created,
    Updated,
    Rotated,
    Deleted,
    Expired,
    Revoked,
}

impl From<Kind> for EventKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Created => Self::Created,
            Kind::Updated => Self::Updated,
            Kind::Rotated => Self::Rotated,
            Kind::Deleted => Self::Deleted,
            Kind::Expired => Self::Expired,
            Kind::Revoked => Self::Revoked,
        }
    }
}

impl WatchArgs {
    pub(crate) async fn run(self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Stop> {
        tokio::select! {
            result = self.watch(out, err) => result,
            Ok(()) = ctrl_c() => Ok(()),
        }
    }

    async fn watch(&self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Stop> {
        let client = self.client.client()?;
        let mut watch = client.watch(self.request()).await.map_err(explained)?;
        loop {
            match watch.next().await {
                Some(Ok(WatchMessage::Event(event))) => {
                    let line = if self.client.json() { json_line(&event) } else { line(&event) };
                    writeln!(out, "{line}")?;
                    out.flush()?;
                }
                Some(Ok(WatchMessage::Checkpoint(_))) => {}
                Some(Err(error)) if !error.is_transient() => return Err(explained(error).into()),
                ended => {
                    let reason = ended.and_then(Result::err).map_or_else(
                        || format!("sessiond at {} ended the stream", client.address()),
                        |error| match error {
                            Error::Unavailable { address, cause } => {
                                // The HTTP/2 library begins its text so.
                                let cause = cause.trim_start_matches("stream closed because of a ");
                                format!("lost the connection to {address} ({cause})")
                            }
                            error => error.to_string(),
                        },
                    );
                    complain(err, &format!("{reason}; trying again, then resuming"));
                    watch = resume(&client, self.request().resume(watch.resume_token())).await?;
                    complain(err, "connected again");
                }
            }
        }
    }

    fn request(&self) -> WatchSessionsRequest {
        let mut request = WatchSessionsRequest::new().principal(self.principal.as_deref().unwrap_or_default());
        for kind in &self.kind {
            request = request.kind((*kind).into());
        }
        if self.all_namespaces {
            request = request.all_namespaces();
        }
        if self.attributes {
            request = request.include_attributes();
        }
        match &self.after {
            Some(token) => request.resume(token),
            None => request,
        }
    }
}

/// Tries until it works or fails for good.
async fn resume(client: &Client, request: WatchSessionsRequest) -> Result<Watch, Failure> {
    loop {
        sleep(PAUSE).await;
        match client.watch(request.clone()).await {
            Err(error) if error.is_transient() => {}
            result => return result.map_err(explained),
        }
    }
}

fn explained(error: Error) -> Failure {
    match error {
        Error::EventsGone => Failure::new(format!("{error}; list the sessions, and watch from now on")),
        error => error.into(),
    }
}

fn line(event: &Event) -> String {
    let session = &event.session;
    let principal = if session.principal.is_empty() { "-".to_owned() } else { printable(&session.principal) };
    let mut line = format!(
        "{:<24}  {:<7}  {:<10}  {:<36}  {principal}",
        event.event_time.to_string(),
        kind_name(event.kind),
        printable(&session.namespace),
        printable(&session.handle)
    );
    if !session.attributes.is_empty() {
        let attributes = Json::Object(attributes_to_json(&session.attributes)).to_string();
        line.push_str("  ");
        line.push_str(&escape_controls(&attributes));
    }
    line
}

fn json_line(event: &Event) -> String {
    let mut session = session_json(&event.session);
    // Without attributes in the event, they are unknown.
    if !event.session.attributes.is_empty() {
        let attributes = attributes_to_json(&event.session.attributes);
        session.insert("attributes".to_owned(), attributes.into());
    }
    let json = json!({
        "kind": kind_name(event.kind),
        "event_time": event.event_time.to_string(),
        "session": session,
        "resume_token": event.resume_token,
    });
    escape_controls(&json.to_string())
}

fn kind_name(kind: EventKind) -> String {
    match kind {
        EventKind::Unspecified => "unknown".to_owned(),
        kind => kind.as_str_name().trim_start_matches("EVENT_KIND_").to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use sessiond_client::Timestamp;
    use sessiond_client::proto::Session;

    use super::*;

    #[test]
    fn an_event_is_one_line_in_both_forms() {
        let event = Event {
            resume_token: "AQAAAAAAAAQR".to_owned(),
            kind: EventKind::Expired,
            event_time: Timestamp { seconds: 0, nanos: 5_000_000 },
            session: Session {
                handle: "019b76da-a800-7000-8000-000000000000".to_owned(),
                namespace: "shop".to_owned(),
                principal: "a\n\u{9b}trick".to_owned(),
                attributes: [("a".to_owned(), "\n".into())].into(),
                ..Session::default()
            },
        };
        assert_eq!(
            line(&event),
            "1970-01-01T00:00:00.005Z  expired  shop        019b76da-a800-7000-8000-000000000000  \
             a\\n\\u{9b}trick  {\"a\":\"\\n\"}"
        );
        let json = json_line(&event);
        assert!(!json.contains(char::is_control), "{json:?}");
        let json: Json = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["kind"], "expired");
        assert_eq!(json["session"]["principal"], "a\n\u{9b}trick");
        assert_eq!(json["session"]["attributes"]["a"], "\n");
    }
}
