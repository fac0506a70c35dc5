//! `sessiond set`

use clap::Args;
use sessiond_client::proto::{SessionChange, UpdateSessionRequest};

use crate::cli::input::args::{ChangeArgs, ClientArgs, SessionArg, exit_codes};
use crate::cli::input::secret::SecretArg;
use crate::cli::output::failure::Failure;
use crate::cli::output::report::Report;

const EXAMPLES: &str = concat!(
    "Examples:
  sessiond set \"$id\" theme=light visits=2 --remove coupon
  sessiond set \"$id\" '{\"cart\": {}}' --expect-version 7
  sessiond set - --principal user-42 < id-file",
    exit_codes!()
);

/// Arguments of `set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    id: SessionArg,

    #[command(flatten)]
    change: ChangeArgs,

    /// Create a session with this ID if there is none, even if one was ended before
    #[arg(long, conflicts_with = "expect_version")]
    upsert: bool,

    /// Change the session only if it has this version
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<u64>,

    /// Change the session only while the lock with this token is held; "-" reads the token from standard input
    #[arg(long, value_name = "TOKEN")]
    lock_token: Option<SecretArg>,

    /// Release that lock after the change
    #[arg(long, requires = "lock_token")]
    unlock: bool,

    #[command(flatten)]
    client: ClientArgs,
}

impl SetArgs {
    pub(crate) fn json(&self) -> bool {
        self.client.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let change = self.change.change();
        // Making a session is a change already.
        if change == SessionChange::default() && !self.upsert {
            return Err(Failure::usage(
                "nothing to change: give NAME=VALUE, --remove, --clear, --principal, --label, --remove-label or a timeout",
            ));
        }
        let request = UpdateSessionRequest {
            session_id: self.id.reveal()?,
            change: Some(change),
            expected_version: self.expect_version,
            upsert: self.upsert,
            lock_token: self.lock_token.map(|token| token.reveal_as("lock token")).transpose()?.unwrap_or_default(),
            unlock: self.unlock,
            ..UpdateSessionRequest::default()
        };
        let updated = self.client.client()?.update_with(request).await;
        let updated = updated.map_err(|error| self.client.failure(error))?;
        Ok(Report::session_changed(&updated.session, updated.created))
    }
}
