//! Certificates that are renewed while a client lives.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sessiond_client::proto::CreateSessionRequest;
use sessiond_client::{Client, ClientBuilder, Error, RetryPolicy, Tls};
use sessiond_testing::Server;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const ID: &str = "no-such-session-id";

/// Certificates, and the files of a client: "ca.pem" and "client.pem" in the folder "own".
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let generate = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/tls/generate");
        assert!(Command::new(generate).arg(folder.path()).output().unwrap().status.success());
        fs::create_dir(folder.path().join("own")).unwrap();
        let files = Self(folder);
        files.put("ca", "ca");
        files.put_pair("client");
        files
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Gives the client another file at once, as a program that renews it does.
    fn put(&self, own: &str, file: &str) {
        fs::copy(self.path(&format!("{file}.pem")), self.path("new")).unwrap();
        fs::rename(self.path("new"), self.path(&format!("own/{own}.pem"))).unwrap();
    }

    fn put_pair(&self, name: &str) {
        self.put("client", name);
        self.put("client-key", &format!("{name}-key"));
    }

    /// A server whose clients have a certificate of this CA.
    fn server(&self, ca: &str) -> Server {
        let flags = self.flags(ca);
        Server::start_at("tls://127.0.0.1:0", &flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn flags(&self, ca: &str) -> Vec<String> {
        let settings = [("--tls-certificate", "server.pem"), ("--tls-key", "server-key.pem"), ("--tls-client-ca", ca)];
        settings.into_iter().flat_map(|(flag, file)| [flag.to_owned(), self.path(file).display().to_string()]).collect()
    }

    /// Ends the server, which comes back with another CA of its clients.
    fn restart(&self, server: &mut Server, ca: &str) {
        let flags = self.flags(ca);
        server.kill();
        server.set_settings(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        server.restart();
    }

    fn client(&self, server: &Server) -> ClientBuilder {
        let own = |file: &str| self.path(&format!("own/{file}.pem"));
        let tls = Tls::new().ca_file(own("ca")).certificate_file(own("client")).key_file(own("client-key"));
        Client::builder().address(server.address().replace("tls://", "https://")).tls(tls).deadline(LONG)
    }
}

async fn works(client: &Client) {
    // Reads are repeated if the connection before was lost.
    assert_eq!(client.get(ID).await.unwrap_err(), Error::SessionNotFound);
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    client.get(&id).await.unwrap();
}

#[tokio::test]
async fn the_next_connection_shows_the_renewed_certificate() {
    let files = Files::new();
    let mut server = files.server("ca.pem");
    let client = files.client(&server).connect_lazy().unwrap();
    works(&client).await;
    // The connection that is open goes on: this server would not let the new certificate in.
    files.put_pair("stranger");
    works(&client).await;
    files.restart(&mut server, "other-ca.pem");
    works(&client).await;
}

#[tokio::test]
async fn files_that_can_not_be_used_leave_the_certificate_before() {
    let files = Files::new();
    let mut server = files.server("ca.pem");
    let client = files.client(&server).connect_lazy().unwrap();
    // The certificate has been renewed, and its key not yet.
    files.put("client", "stranger");
    works(&client).await;
    fs::write(files.path("own/client-key.pem"), "").unwrap();
    files.restart(&mut server, "ca.pem");
    works(&client).await;
    fs::remove_file(files.path("own/ca.pem")).unwrap();
    files.restart(&mut server, "ca.pem");
    works(&client).await;
}

#[tokio::test]
async fn the_next_connection_trusts_whom_the_ca_file_names_then() {
    let files = Files::new();
    let mut server = files.server("ca.pem");
    let client = files.client(&server).retry(RetryPolicy::never()).connect_lazy().unwrap();
    works(&client).await;
    files.put("ca", "other-ca");
    works(&client).await;
    files.restart(&mut server, "ca.pem");
    let error = loop {
        match client.get(ID).await.unwrap_err() {
            // The end of the connection before.
            Error::Unavailable { cause, .. } if !cause.contains("certificate") => {}
            error => break error,
        }
    };
    assert!(error.to_string().contains("invalid peer certificate: UnknownIssuer"), "{error}");
    files.put("ca", "ca");
    works(&client).await;
}
