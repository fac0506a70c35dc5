//! Tests of the port for scrapes and probes.

pub(crate) mod counted;
mod hostile;
mod listening;
mod probes;

use crate::common::Server;

/// A server that answers scrapes on a free port.
fn start(flags: &[&str]) -> Server {
    Server::start_with(&[&["--metrics-listen", "127.0.0.1:0"], flags].concat())
}
