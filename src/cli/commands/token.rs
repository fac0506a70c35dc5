//! `sessiond token`

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde_json::json;
use sessiond::authorization::{TokenEntry, TokenFile, TokenFileError};

use crate::cli::input::args::{OutputArgs, positive_duration};
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;
use crate::cli::output::table::Table;

const CREATE_EXAMPLES: &str = "Examples:
  sessiond token create --access-tokens /etc/sessiond/tokens shop > /etc/shop/sessiond-token
  sessiond token create --access-tokens /etc/sessiond/tokens night-backup --expires 90d

The token is printed, and nothing else: it is shown this once. The file keeps its hash. A running server knows the token within \
two seconds.

Exit codes: 0 success, 1 error, 2 wrong usage.";

const LIST_EXAMPLES: &str = "Example:
  sessiond token list --access-tokens /etc/sessiond/tokens

Exit codes: 0 success, 1 error, 2 wrong usage.";

const REVOKE_EXAMPLES: &str = "Example:
  sessiond token revoke --access-tokens /etc/sessiond/tokens r4mdn2qk

A running server refuses the token within two seconds, also on streams that are open.

Exit codes: 0 success, 1 error, 2 wrong usage.";

/// Making, listing and revoking the tokens of callers.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a caller of the access file, and print it
    Create(CreateArgs),
    /// List the tokens, without what is secret of them
    List(ListArgs),
    /// End a token
    Revoke(RevokeArgs),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct CreateArgs {
    /// The caller, by its name in the access file
    caller: String,

    /// How long the token lasts, such as 90d; without it, until it is revoked
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    expires: Option<Duration>,

    #[command(flatten)]
    file: FileArgs,
}

/// Arguments of `token list`.
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    file: FileArgs,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
#[command(after_help = REVOKE_EXAMPLES)]
pub(crate) struct RevokeArgs {
    /// The token's name: its eight characters behind sdt_, as the list shows them
    id: String,

    #[command(flatten)]
    file: FileArgs,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The server's file of tokens, which its setting of this name names; create makes it if it is not there
    #[arg(long, value_name = "FILE")]
    access_tokens: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

impl TokenCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create(CreateArgs { file, .. })
            | Self::List(ListArgs { file })
            | Self::Revoke(RevokeArgs { file, .. }) => file.output.json,
        }
    }

    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::Create(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Revoke(args) => args.run(),
        }
    }
}

impl CreateArgs {
    fn run(self) -> Result<Report, Failure> {
        let made = TokenFile::at(self.file.access_tokens).create(&self.caller, self.expires);
        let (token, entry) = made.map_err(|error| match error {
            TokenFileError::Name(_) | TokenFileError::Lifetime => Failure::usage(error.to_string()),
            error => failure(&error),
        })?;
        let mut json = json_of(&entry);
        json["token"] = token.reveal().into();
        Ok(Report::new(token.reveal(), json))
    }
}

impl ListArgs {
    fn run(self) -> Result<Report, Failure> {
        let tokens = TokenFile::at(self.file.access_tokens).read().map_err(|error| failure(&error))?;
        let json = json!({ "tokens": tokens.iter().map(json_of).collect::<Vec<_>>() });
        if tokens.is_empty() {
            return Ok(Report::new("there is no token", json));
        }
        let rows = tokens.iter().map(|token| {
            let ends = match token.expires {
                None => "never".to_owned(),
                Some(expires) if token.has_expired() => format!("{}, expired", written(expires)),
                Some(expires) => written(expires),
            };
            [token.id.clone(), token.caller.clone(), written(token.made), ends]
        });
        let table = Table::new(["TOKEN", "CALLER", "MADE", "EXPIRES"]).rows(rows.collect());
        Ok(Report::new(table.trim_end(), json))
    }
}

impl RevokeArgs {
    fn run(self) -> Result<Report, Failure> {
        let revoked = TokenFile::at(self.file.access_tokens).revoke(&self.id).map_err(|error| failure(&error))?;
        Ok(Report::new(format!("revoked a token of {}", revoked.caller), json_of(&revoked)))
    }
}

fn failure(error: &TokenFileError) -> Failure {
    Failure::new(error.to_string())
}

fn json_of(token: &TokenEntry) -> serde_json::Value {
    json!({
        "id": token.id,
        "caller": token.caller,
        "create_time": written(token.made),
        "expire_time": token.expires.map(written),
    })
}

fn written(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
