//! `sessiond health`

use std::time::Duration;

use clap::Args;
use sessiond_client::{Client, Error, Health};
use tokio::time::{Instant, sleep};

use crate::cli::input::args::{ServerArgs, duration};
use crate::cli::output::failure::{FAILED, Failure};
use crate::cli::output::report::Report;

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "Examples:
  sessiond health
  sessiond health --wait 30s --addr unix:/run/sessiond.sock

The command prints serving, not-serving, unknown-service or unreachable. It can be a container's health probe.

Exit codes: 0 serving, 1 anything else, 2 wrong usage.";

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealthArgs {
    /// The gRPC service to ask about, such as sessiond.v1.SessionStore; by default, the whole server
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,

    /// Ask again until the server is serving, for at most this long
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s",
          hide_default_value = true)]
    wait: Duration,

    #[command(flatten)]
    server: ServerArgs,
}

impl HealthArgs {
    pub(crate) fn json(&self) -> bool {
        self.server.json()
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let client = self.server.client()?;
        let start = Instant::now();
        loop {
            let answer = client.health(&self.service).await;
            let left = self.wait.saturating_sub(start.elapsed());
            if matches!(answer, Ok(Health::Serving)) || left.is_zero() {
                return judge(answer, &client, &self.service);
            }
            sleep(PAUSE.min(left)).await;
        }
    }
}

fn judge(answer: Result<Health, Error>, client: &Client, service: &str) -> Result<Report, Failure> {
    let (word, message) = match answer {
        Ok(Health::Serving) => return Ok(Report::health("serving")),
        Ok(Health::NotServing) => {
            let service = if service.is_empty() { String::new() } else { format!("service {service:?} of ") };
            ("not-serving", format!("{service}sessiond at {} is not serving", client.address()))
        }
        Ok(Health::UnknownService) => {
            ("unknown-service", format!("sessiond at {} has no service {service:?}", client.address()))
        }
        Err(error) => ("unreachable", error.to_string()),
    };
    Err(Failure { message, code: FAILED, report: Some(Box::new(Report::health(word))) })
}
