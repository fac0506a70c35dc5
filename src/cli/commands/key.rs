//! `sessiond key`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use sessiond::encryption::{KeyRing, new_key};

use crate::cli::input::args::OutputArgs;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const CREATE_EXAMPLES: &str = "Examples:
  (umask 077; sessiond key create > /etc/sessiond/keys)
  (umask 077; sessiond key create | cat - /etc/sessiond/keys > /etc/sessiond/keys.new)

The key is 256 bits of the system's random numbers. The line is its number, which follows from it, and the key in \
base64. The second example puts a new key before those that a file has, so that it encrypts from the next start on.

Whoever has a key can read what is encrypted under it. Without the key nobody can: keep a copy in a safe place, not \
beside the data or its backups.";

const LIST_EXAMPLES: &str = "Examples:
  sessiond key list /etc/sessiond/keys

No key is printed.";

/// The commands about keys for encryption at rest.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it as a line of a key file
    Create(CreateArgs),
    /// Check a key file and print the numbers of its keys
    List(ListArgs),
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `key list`.
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArgs {
    /// The file that the setting encryption-keys names
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

impl KeyCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create(args) => args.output.json,
            Self::List(args) => args.output.json,
        }
    }

    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::Create(_) => {
                let (number, line) = new_key();
                let json = json!({ "number": number.to_string(), "line": line });
                Ok(Report::new(line, json))
            }
            Self::List(args) => list(&args),
        }
    }
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let ring = KeyRing::load(&args.file).map_err(|error| Failure::usage(error.to_string()))?;
    let encrypts = ring.writes_under();
    let mut lines: Vec<String> = ring
        .numbers()
        .map(|number| format!("{number}  {}", if Some(number) == encrypts { "encrypts" } else { "decrypts only" }))
        .collect();
    if encrypts.is_none() {
        lines.insert(0, "plain     nothing is encrypted any more".into());
    }
    let numbers: Vec<String> = ring.numbers().map(|number| number.to_string()).collect();
    let json = json!({ "encrypts": encrypts.map(|number| number.to_string()), "keys": numbers });
    Ok(Report::new(lines.join("\n"), json))
}
