//! The result of a command: a block of lines for people, JSON in one line for scripts.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use sessiond_client::json::attributes_to_json;
use sessiond_client::proto::Session;
use sessiond_client::{Timestamp, Touched};

use super::units::{length, moment, now};
use sessiond::printable::{escape_controls, pretty, printable};

/// The result of a command in both forms.
#[derive(Debug)]
pub(crate) struct Report {
    text: String,
    json: Json,
}

impl Report {
    pub(crate) fn new(text: impl Into<String>, json: Json) -> Self {
        Self { text: text.into(), json }
    }

    /// A secret and when it expires; the secret alone if `secret_only` is set.
    pub(crate) fn secret(name: &str, secret: &str, expire_time: Timestamp, secret_only: bool) -> Self {
        let text = if secret_only {
            secret.to_owned()
        } else {
            format!("{secret}\n\n{:<13} {}", "expires", moment(expire_time, now()))
        };
        Self::new(text, json!({ name: secret, "expire_time": expire_time.to_string() }))
    }

    /// A session without its attributes, below its new ID.
    pub(crate) fn session_with_id(session_id: String, session: &Session, id_only: bool) -> Self {
        let text = if id_only { session_id.clone() } else { format!("{session_id}\n\n{}", Block(session, now())) };
        let mut json = session_json(session);
        json.insert("session_id".to_owned(), session_id.into());
        Self { text, json: json.into() }
    }

    /// A session after a change, without its attributes.
    pub(crate) fn session_changed(session: &Session, created: bool) -> Self {
        let made = if created { "made a new session\n\n" } else { "" };
        let mut json = session_json(session);
        json.insert("created".to_owned(), created.into());
        Self { text: format!("{made}{}", Block(session, now())), json: json.into() }
    }

    /// A session with its attributes.
    pub(crate) fn session_with_attributes(session: &Session) -> Self {
        Self::new(full_text(session), full_json(session).into())
    }

    /// A session with its attributes, below its new ID.
    pub(crate) fn session_with_id_and_attributes(session_id: String, session: &Session, id_only: bool) -> Self {
        let text = if id_only { session_id.clone() } else { format!("{session_id}\n\n{}", full_text(session)) };
        let mut json = full_json(session);
        json.insert("session_id".to_owned(), session_id.into());
        Self::new(text, json.into())
    }

    pub(crate) fn touched(touched: &Touched) -> Self {
        let text =
            format!("{:<13} {}\n{:<13} {}", "expires", moment(touched.expire_time, now()), "version", touched.version);
        let json = json!({ "expire_time": touched.expire_time.to_string(), "version": touched.version });
        Self { text, json }
    }

    pub(crate) fn deleted(deleted: bool) -> Self {
        let text = if deleted { "deleted" } else { "there was no such session" };
        Self { text: text.to_owned(), json: json!({ "deleted": deleted }) }
    }

    pub(crate) fn health(word: &str) -> Self {
        Self { text: word.to_owned(), json: json!({ "status": word }) }
    }

    pub(crate) fn of_json(json: Json) -> Self {
        Self { text: pretty(&json), json }
    }

    pub(crate) fn to_json_line(&self) -> String {
        escape_controls(&self.json.to_string())
    }

    pub(crate) fn write(&self, as_json: bool, out: &mut impl io::Write) -> io::Result<()> {
        if as_json {
            writeln!(out, "{}", self.to_json_line())?;
        } else {
            writeln!(out, "{}", self.text)?;
        }
        out.flush()
    }
}

/// A session for people, as seen at a moment. The last line has no line end.
struct Block<'a>(&'a Session, Timestamp);

impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(session, now) = self;
        let time = |time: Option<Timestamp>| time.map_or_else(|| "unknown".to_owned(), |time| moment(time, *now));
        let principal = if session.principal.is_empty() { "-" } else { &printable(&session.principal) };
        writeln!(f, "{:<13} {}", "handle", printable(&session.handle))?;
        writeln!(f, "{:<13} {}", "namespace", printable(&session.namespace))?;
        writeln!(f, "{:<13} {}", "version", session.version)?;
        writeln!(f, "{:<13} {principal}", "principal")?;
        for (index, (name, value)) in session.labels.iter().enumerate() {
            let heading = if index == 0 { "labels" } else { "" };
            writeln!(f, "{heading:<13} {}={}", printable(name), printable(value))?;
        }
        writeln!(f, "{:<13} {}", "created", time(session.create_time))?;
        writeln!(f, "{:<13} {}", "changed", time(session.update_time))?;
        writeln!(f, "{:<13} {}", "last access", time(session.last_access_time))?;
        if let Some(timeout) = session.idle_timeout {
            let timeout = Duration::try_from(timeout).map_err(|_| fmt::Error)?;
            writeln!(f, "{:<13} {}", "idle timeout", length(timeout))?;
        }
        if let Some(end) = session.absolute_expire_time {
            writeln!(f, "{:<13} {}", "ends by", moment(end, *now))?;
        }
        write!(f, "{:<13} {}", "expires", time(session.expire_time))
    }
}

/// A session with its attributes, for people. The last line has no line end.
pub(crate) fn full_text(session: &Session) -> String {
    let attributes = Json::Object(attributes_to_json(&session.attributes));
    format!("{}\n{:<13} {}", Block(session, now()), "attributes", pretty(&attributes))
}

/// A session of a list, for people: with its attributes, unless they are sealed. The last line has no line end.
pub(crate) fn listed_text(session: &Session) -> String {
    if !session.sealed {
        return full_text(session);
    }
    format!(
        "{}\n{:<13} sealed; sessiond get shows them to who has the session's ID",
        Block(session, now()),
        "attributes"
    )
}

/// A session of a list: with its attributes, unless they are sealed.
pub(crate) fn listed_json(session: &Session) -> Map<String, Json> {
    if session.sealed { session_json(session) } else { full_json(session) }
}

/// A session with its attributes.
pub(crate) fn full_json(session: &Session) -> Map<String, Json> {
    let mut json = session_json(session);
    json.insert("attributes".to_owned(), attributes_to_json(&session.attributes).into());
    json
}

/// A session without its attributes.
pub(crate) fn session_json(session: &Session) -> Map<String, Json> {
    let time = |time: Option<Timestamp>| time.map_or(Json::Null, |time| time.to_string().into());
    let fields = [
        ("handle", session.handle.as_str().into()),
        ("namespace", session.namespace.as_str().into()),
        ("version", session.version.into()),
        ("principal", session.principal.as_str().into()),
        ("labels", json!(session.labels)),
        ("create_time", time(session.create_time)),
        ("last_access_time", time(session.last_access_time)),
        ("update_time", time(session.update_time)),
        ("idle_timeout", session.idle_timeout.map_or(Json::Null, |timeout| timeout.to_string().into())),
        ("absolute_expire_time", time(session.absolute_expire_time)),
        ("expire_time", time(session.expire_time)),
        ("sealed", session.sealed.into()),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn a_block_shows_what_is_known() {
        let session = Session {
            handle: "019b76da-a800-7000-8000-000000000000".to_owned(),
            namespace: "shop".to_owned(),
            version: 3,
            labels: [("address", "::1"), ("device", "a \u{1b}[2J trick")].map(|(n, v)| (n.into(), v.into())).into(),
            create_time: Some(at(0)),
            update_time: Some(at(60)),
            last_access_time: Some(at(100)),
            idle_timeout: Some(sessiond_client::Duration { seconds: 1_800, nanos: 0 }),
            expire_time: Some(at(1_900)),
            ..Session::default()
        };
        let expected = "\
handle        019b76da-a800-7000-8000-000000000000
namespace     shop
version       3
principal     -
labels        address=::1
              device=a \\u{1b}[2J trick
created       1970-01-01T00:00:00Z (1m 40s ago)
changed       1970-01-01T00:01:00Z (40s ago)
last access   1970-01-01T00:01:40Z (now)
idle timeout  30m
expires       1970-01-01T00:31:40Z (in 30m)";
        assert_eq!(Block(&session, at(100)).to_string(), expected);
    }

    #[test]
    fn json_holds_no_control_characters_and_stays_the_same() {
        let json = json!({ "a": "\u{7f}\u{9b}\u{1b}\n" });
        let line = Report::of_json(json.clone()).to_json_line();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(serde_json::from_str::<Json>(&line).expect("JSON"), json);
    }
}
