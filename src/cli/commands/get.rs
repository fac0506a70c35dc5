//! `sessiond get`

use clap::Args;
use serde_json::{Map, Value as Json};
use sessiond_client::json::{attributes_to_json, to_json};
use sessiond_client::proto::{GetSessionRequest, Session};

use crate::cli::input::args::{ClientArgs, SessionArg, exit_codes};
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;
use sessiond::printable::printable;

const EXAMPLES: &str = concat!(
    "Examples:
  sessiond get \"$id\"
  sessiond get \"$id\" theme
  sessiond get - --json < id-file",
    exit_codes!()
);

/// Arguments of `get`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    id: SessionArg,

    /// Print only these attributes, as JSON: the value alone if one is named, else an object
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Count the read as an access, which starts the idle timeout again
    #[arg(long)]
    touch: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl GetArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let request = GetSessionRequest::new(self.id.reveal()?);
        let request = if self.touch { request } else { request.peek() };
        let session = self.client.client()?.get(request).await.map_err(|error| self.client.failure(error))?.session;
        if self.names.is_empty() {
            Ok(Report::session_with_attributes(&session))
        } else {
            select(&session, &self.names)
        }
    }
}

fn select(session: &Session, names: &[String]) -> Result<Report, Failure> {
    if let Some(missing) = names.iter().find(|name| !session.attributes.contains_key(*name)) {
        return Err(Failure::not_found(format!("the session has no attribute {}", printable(missing))));
    }
    let selected = match names {
        [name] => to_json(&session.attributes[name]),
        names => {
            let mut attributes: Map<String, Json> = attributes_to_json(&session.attributes);
            attributes.retain(|name, _| names.contains(name));
            Json::Object(attributes)
        }
    };
    Ok(Report::of_json(selected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_attributes_are_selected() {
        let attributes = [("a", 1), ("b", 2), ("c", 3)].map(|(name, value)| (name.to_owned(), value.into()));
        let session = Session { attributes: attributes.into(), ..Session::default() };
        let selected = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            select(&session, &names).map(|report| report.to_json_line()).map_err(|failure| failure.code)
        };
        assert_eq!(selected(&["b"]), Ok("2".to_owned()));
        assert_eq!(selected(&["c", "a"]), Ok(r#"{"a":1,"c":3}"#.to_owned()));
        assert_eq!(selected(&["a", "other"]), Err(crate::cli::output::failure::NOT_FOUND));
    }
}
