//! `sessiond handoff`

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use sessiond_client::proto::{IssueHandoffRequest, RedeemHandoffRequest};
use sessiond_client::{Handoff, Redeemed};

use crate::cli::input::args::{ClientArgs, SessionArg, duration, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLE: &str = concat!(
    "Example:
  ticket=$(sessiond handoff issue --quiet \"$id\" --audience https://shop.example)
  sessiond handoff redeem \"$ticket\" --audience https://shop.example

Both IDs then name one session: deleting it by one ends both.",
    exit_codes!()
);

/// The two sides of a handoff.
#[derive(Debug, Subcommand)]
pub(crate) enum HandoffCommand {
    /// Issue a ticket by which another domain gets its own ID of the same session
    Issue(IssueArgs),
    /// Exchange a ticket for an ID
    Redeem(RedeemArgs),
}

/// Arguments of `handoff issue`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    id: SessionArg,

    #[arg(long, value_parser = NonEmptyStringValueParser::new(),
          help = "Who may redeem the ticket, such as https://shop.example")]
    audience: String,

    /// How long the ticket can be redeemed, from 1s to 5m [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lifetime: Option<Duration>,

    /// Print the ticket and nothing else
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// Arguments of `handoff redeem`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct RedeemArgs {
    /// The ticket; "-" reads it from standard input, which keeps it out of the process list
    ticket: SecretArg,

    /// Who redeems the ticket; any audience but the ticket's own makes the ticket invalid
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    audience: String,

    /// Use this new ID instead of one that the server makes, which is safer; "-" reads it from standard input
    #[arg(long, value_name = "ID")]
    new_id: Option<SecretArg>,

    /// Print the new ID and nothing else
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl HandoffCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Issue(args) => args.client.json(),
            Self::Redeem(args) => args.client.json(),
        }
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        match self {
            Self::Issue(args) => args.run().await,
            Self::Redeem(args) => args.run().await,
        }
    }
}

impl IssueArgs {
    async fn run(self) -> Result<Report, Failure> {
        let mut request = IssueHandoffRequest::new(self.id.reveal()?, self.audience);
        if let Some(lifetime) = self.lifetime {
            request = request.lifetime(lifetime);
        }
        let issued = self.client.client()?.issue_handoff(request).await;
        let Handoff { ticket, expire_time } = issued.map_err(|error| self.client.failure(error))?;
        Ok(Report::secret("ticket", &ticket, expire_time, self.quiet))
    }
}

impl RedeemArgs {
    async fn run(self) -> Result<Report, Failure> {
        let mut request = RedeemHandoffRequest::new(self.ticket.reveal_as("ticket")?, self.audience);
        if let Some(id) = self.new_id {
            request = request.new_session_id(id.reveal()?);
        }
        let Redeemed { session_id, session } = self.client.client()?.redeem_handoff(request).await?;
        Ok(Report::session_with_id_and_attributes(session_id, &session, self.quiet))
    }
}
