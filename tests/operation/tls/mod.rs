//! Tests of TLS: who gets in, how certificates are renewed, and what wrong settings and strange peers are told.

mod command_line;
mod peers;
mod renewal;
mod settings;

use crate::common::tls::Certificates;
use crate::common::{LONG, Server};
use sessiond_client::{Client, ClientBuilder, RetryPolicy, Tls};

/// A server with TLS, and more flags.
fn start(certificates: &Certificates, flags: &[&str]) -> Server {
    let own = certificates.server_flags();
    let all: Vec<&str> = own.iter().map(String::as_str).chain(flags.iter().copied()).collect();
    Server::start_with(&all)
}

/// `HOST:PORT` of a server with TLS.
fn authority(server: &Server) -> &str {
    server.address().strip_prefix("tls://").unwrap()
}

/// A client over TLS that repeats nothing.
fn client(server: &Server, tls: Tls) -> Client {
    builder(server, tls).connect_lazy().unwrap()
}

fn builder(server: &Server, tls: Tls) -> ClientBuilder {
    let address = format!("https://{}", authority(server));
    Client::builder().address(address).tls(tls).deadline(LONG).retry(RetryPolicy::never())
}
