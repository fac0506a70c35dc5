//! `sessiond revoke`

use std::io::{self, BufRead, IsTerminal as _, Write};

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use serde_json::json;
use sessiond_client::Client;
use sessiond_client::proto::{CountSessionsRequest, RevokeSessionsRequest};

use crate::cli::input::args::ClientArgs;
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;
use crate::cli::output::units::grouped;
use sessiond::printable::printable;

const EXAMPLES: &str = "Examples:
  sessiond revoke --principal user-42
  sessiond revoke --principal user-42 --except \"$id\"
  sessiond revoke --handle 019b76da-a800-7000-8000-000000000000
  sessiond revoke --namespace shop --whole-namespace --yes --timeout 5m

If the command reaches its timeout, the sessions that were ended stay ended. Repeat it to end the others.";

/// Arguments of `revoke`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group(ArgGroup::new("scope")))]
pub(crate) struct RevokeArgs {
    /// End the sessions of this user
    #[arg(long, group = "scope", value_parser = NonEmptyStringValueParser::new())]
    principal: Option<String>,

    /// Keep the session of this ID; "-" reads it from standard input
    #[arg(long, value_name = "ID", requires = "principal", conflicts_with_all = ["handle", "whole_namespace"])]
    except: Option<SecretArg>,

    /// End the sessions of these handles; unknown handles are ignored
    #[arg(long, group = "scope", num_args = 1..)]
    handle: Vec<String>,

    /// End every session of the namespace
    #[arg(long, group = "scope")]
    whole_namespace: bool,

    /// End every session of the namespace without asking first
    #[arg(long, requires = "whole_namespace", conflicts_with_all = ["principal", "handle"])]
    yes: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl RevokeArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let client = self.client.client()?;
        let request = if let Some(principal) = self.principal {
            match self.except.map(SecretArg::reveal).transpose()? {
                // An unset variable in a script must not log out everyone.
                Some(id) if id.is_empty() => {
                    return Err(Failure::usage("the ID after --except is empty; nothing was revoked"));
                }
                Some(id) => RevokeSessionsRequest::of_principal_except(principal, id),
                None => RevokeSessionsRequest::of_principal(principal),
            }
        } else if self.whole_namespace {
            if !self.yes {
                ask(&client, self.client.namespace()).await?;
            }
            RevokeSessionsRequest::whole_namespace()
        } else if self.handle.is_empty() {
            return Err(Failure::usage("say which sessions: --principal, --handle or --whole-namespace"));
        } else {
            RevokeSessionsRequest::by_handles(self.handle)
        };
        let revoked = client.revoke(request).await?;
        let sessions = if revoked == 1 { "session" } else { "sessions" };
        let text = format!("revoked {} {sessions}", grouped(revoked));
        Ok(Report::new(text, json!({ "revoked": revoked })))
    }
}

/// Asks for confirmation; an error unless the answer is yes.
async fn ask(client: &Client, namespace: &str) -> Result<(), Failure> {
    let namespace = printable(namespace);
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!(
            "this would end every session of the namespace {namespace}, and there is no terminal to ask on; confirm with --yes"
        )));
    }
    // The number only helps to decide.
    let now = match client.count(CountSessionsRequest::new()).await {
        Ok(count) => format!(", {} now", grouped(count)),
        Err(_) => String::new(),
    };
    let question =
        format!("This ends every session of the namespace {namespace} at {}{now}. Go on? [y/N] ", client.address());
    if agreed(&question, &mut io::stdin().lock(), &mut io::stderr())? {
        Ok(())
    } else {
        Err(Failure::new("nothing was revoked"))
    }
}

fn agreed(question: &str, input: &mut impl BufRead, err: &mut impl Write) -> io::Result<bool> {
    err.write_all(question.as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, expected) in [("y\n", true), ("Yes\n", true), ("\n", false), ("", false), ("no\n", false)] {
            let mut asked = Vec::new();
            let result = agreed("Go on? ", &mut answer.as_bytes(), &mut asked);
            assert_eq!(result.expect("readable"), expected, "{answer:?}");
            assert_eq!(asked, b"Go on? ");
        }
    }
}
