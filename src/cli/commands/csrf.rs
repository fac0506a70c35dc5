//! `sessiond csrf`

use clap::{Args, Subcommand};
use serde_json::json;
use sessiond_client::proto::VerifyCsrfTokenRequest;

use crate::cli::input::args::{ClientArgs, SessionArg, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const ISSUE_EXAMPLE: &str = concat!("Example:\n  token=$(sessiond csrf issue \"$id\")", exit_codes!());

const VERIFY_EXAMPLES: &str = "Examples:
  sessiond csrf verify \"$id\" \"$token\" && echo welcome
  printf '%s\\n' \"$id\" \"$token\" | sessiond csrf verify - -

Exit codes: 0 valid, 1 invalid or error, 2 wrong usage, 3 no such session.";

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum CsrfCommand {
    /// Issue a token, which looks different each time
    Issue(IssueArgs),
    /// Check whether a token was issued for a session
    Verify(VerifyArgs),
}

/// Arguments of `csrf issue`.
#[derive(Debug, Args)]
#[command(after_help = ISSUE_EXAMPLE)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    id: SessionArg,

    #[command(flatten)]
    client: ClientArgs,
}

/// Arguments of `csrf verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    id: SessionArg,

    /// The token; "-" reads it from standard input, after the ID if both are read there
    // One token in 64 begins with a hyphen.
    #[arg(allow_hyphen_values = true)]
    token: SecretArg,

    #[command(flatten)]
    client: ClientArgs,
}

impl CsrfCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Issue(args) => args.client.json(),
            Self::Verify(args) => args.client.json(),
        }
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        match self {
            Self::Issue(args) => args.run().await,
            Self::Verify(args) => args.run().await,
        }
    }
}

impl IssueArgs {
    async fn run(self) -> Result<Report, Failure> {
        let token = self.client.client()?.issue_csrf_token(self.id.reveal()?).await;
        let token = token.map_err(|error| self.client.failure(error))?;
        Ok(Report::new(token.as_str(), json!({ "token": token })))
    }
}

impl VerifyArgs {
    async fn run(self) -> Result<Report, Failure> {
        let id = self.id.reveal()?;
        let request = VerifyCsrfTokenRequest::new(id, self.token.reveal_as("token")?);
        let valid = self.client.client()?.verify_csrf_token(request).await;
        let valid = valid.map_err(|error| self.client.failure(error))?;
        let report = Report::new(if valid { "valid" } else { "invalid" }, json!({ "valid": valid }));
        if valid {
            Ok(report)
        } else {
            Err(Failure { report: Some(Box::new(report)), ..Failure::new("the token was not issued for this session") })
        }
    }
}
