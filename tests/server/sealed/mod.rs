//! Tests of sealed sessions (policy sealed): a caller with the ID notices nothing, and without it nobody reads anything.

mod same_answers;
mod stored;
mod turning;

use crate::common::Server;

/// A server whose namespace `sealed` is sealed and whose namespace `plain` is not.
fn server(flags: &[&str]) -> Server {
    Server::start_configured(&config("true"), flags)
}

/// The settings, with the policy of the namespace `sealed`.
fn config(sealed: &str) -> String {
    format!(
        "max-session-size = \"2KiB\"\nmax-attributes = 6\nevent-attributes = true\nsweep-interval = \"10m\"\n\
         [namespaces.sealed]\nsealed = {sealed}\n[namespaces.plain]\nsealed = false\n"
    )
}
