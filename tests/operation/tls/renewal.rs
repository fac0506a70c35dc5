//! Certificates are renewed while the server runs, and nobody notices.

use super::{authority, client, start};
use crate::common::metrics::scrape;
use crate::common::tls::Certificates;
use crate::common::{Server, eventually};
use rustix::process::Signal;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest};
use sessiond_client::{Client, Health};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Whether a new connection is shown this certificate.
async fn shows(server: &Server, files: &Certificates, file: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.path("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(authority(server)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let shown = connection.get_ref().1.peer_certificates().unwrap()[0].clone();
    shown == CertificateDer::from_pem_file(files.path(file)).unwrap()
}

/// A file with other content but the same length and time.
fn put_in_disguise(files: &Certificates, old: &str, new: &str) {
    let time = fs::metadata(files.path(old)).unwrap().modified().unwrap();
    let copy = files.path("disguised");
    fs::copy(files.path(new), &copy).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
    fs::rename(copy, files.path(old)).unwrap();
}

/// Calls without a pause until it is told to stop: all of them must succeed.
fn call_on(client: Client, stop: &Arc<AtomicBool>, calls: &Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    let (stop, calls) = (Arc::clone(stop), Arc::clone(calls));
    tokio::spawn(async move {
        let session = client.create(CreateSessionRequest::new()).await.unwrap();
        while !stop.load(Ordering::Relaxed) {
            client.get(GetSessionRequest::new(&session.session_id)).await.unwrap();
            calls.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_and_no_call_fails() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    let (stop, calls) = (Arc::default(), Arc::default());
    let callers: Vec<_> = (0..4).map(|_| call_on(client(&server, files.client()), &stop, &calls)).collect();
    // So do clients that connect all the time.
    let newcomers = tokio::spawn({
        let (stop, builder) = (Arc::clone(&stop), super::builder(&server, files.client()));
        async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(builder.clone().connect_lazy().unwrap().health("").await.unwrap(), Health::Serving);
            }
        }
    });
    fs::copy(files.path("server.pem"), files.path("first.pem")).unwrap();
    assert!(shows(&server, &files, "first.pem").await);
    files.replace("server", "renewed");
    eventually("the new certificate is shown", async || shows(&server, &files, "renewed.pem").await).await;
    let so_far = calls.load(Ordering::Relaxed);
    eventually("calls go on", async || calls.load(Ordering::Relaxed) > so_far + 100).await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    newcomers.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_told_everywhere_and_the_old_one_stays() {
    let files = Certificates::new();
    let server = start(&files, &["--metrics-listen", "127.0.0.1:0"]);
    let client = client(&server, files.client());
    let stale = || scrape(server.metrics_address()).value("sessiond_tls_certificate_stale");
    assert_eq!(client.health("sessiond.certificate").await.unwrap(), Health::Serving);
    assert!((stale() - 0.0).abs() < 0.5);
    fs::copy(files.path("server.pem"), files.path("first.pem")).unwrap();

    for bad in ["client.pem", "expired.pem", "server-key.pem"] {
        files.replace_file("server.pem", &files.path(bad));
        eventually("health says so", async || {
            client.health("sessiond.certificate").await.unwrap() == Health::NotServing
        })
        .await;
        assert!(stale() > 0.5);
        assert!(shows(&server, &files, "first.pem").await);
        assert_eq!(client.health("").await.unwrap(), Health::Serving);

        files.replace_file("server.pem", &files.path("first.pem"));
        eventually("health says that it is over", async || {
            client.health("sessiond.certificate").await.unwrap() == Health::Serving
        })
        .await;
        assert!(stale() < 0.5);
    }
    let log = server.log();
    for problem in ["is not the key of", "ended at 2021-01-01T00:00:00Z", "holds no certificate"] {
        let line = log.lines().find(|line| line.contains(problem));
        let line = line.unwrap_or_else(|| panic!("{problem:?} is not in the log:\n{log}"));
        assert!(line.contains("ERROR") && line.contains("what was before stays in use"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_look_the_same_are_noticed() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    assert!(shows(&server, &files, "server.pem").await);
    put_in_disguise(&files, "server-key.pem", "renewed-key.pem");
    put_in_disguise(&files, "server.pem", "renewed.pem");
    eventually("the new certificate is shown", async || shows(&server, &files, "renewed.pem").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_refused_and_forgotten() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    let client = client(&server, files.client());
    let health = async || client.health("sessiond.certificate").await.unwrap();
    fs::copy(files.path("server.pem"), files.path("first.pem")).unwrap();
    let place = files.path("server.pem");
    for number in 0..4 {
        fs::remove_file(&place).unwrap();
        match number {
            0 => {}
            1 => fs::create_dir(&place).unwrap(),
            // Nobody writes into it, and opening it would wait for that.
            2 => assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success()),
            _ => fs::File::create(&place).unwrap().set_len(1 << 30).unwrap(),
        }
        eventually("health says so", async || health().await == Health::NotServing).await;
        if place.is_dir() {
            fs::remove_dir(&place).unwrap();
        }
        files.replace_file("server.pem", &files.path("first.pem"));
        eventually("it is over", async || health().await == Health::Serving).await;
    }
    assert!(server.memory() < 500 << 20, "{} bytes", server.memory());
    let log = server.log();
    for problem in ["No such file", "is no file; use a PEM file", "is larger than 2 MiB"] {
        assert!(log.contains(problem), "{problem:?} is not in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_while_it_is_in_use_is_told_once_and_can_be_renewed() {
    let files = Certificates::with_brief(Duration::from_secs(15));
    files.replace("server", "brief");
    let server = start(&files, &["--metrics-listen", "127.0.0.1:0"]);
    assert!(server.log().contains("ends soon; renew it"), "{}", server.log());
    // Clients refuse it from then on, so health is asked on the port for probes.
    let stale = || scrape(server.metrics_address()).value("sessiond_tls_certificate_stale");
    assert!(stale() < 0.5);
    eventually("it ends", async || stale() > 0.5).await;
    // They still take it in the second of its end.
    eventually("clients refuse it", async || client(&server, files.client()).health("").await.is_err()).await;
    let told = |server: &Server| server.log().matches("what was before stays in use").count();
    assert_eq!(told(&server), 1, "{}", server.log());
    files.replace("server", "renewed");
    eventually("it is renewed", async || stale() < 0.5).await;
    assert_eq!(client(&server, files.client()).health("").await.unwrap(), Health::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reads_the_files_at_once_and_does_not_end_the_server() {
    let files = Certificates::new();
    let mut server = start(&files, &[]);
    let renewals = |server: &Server| server.log().matches("new connections use the certificate").count();
    for round in 1..=3 {
        server.signal(Signal::HUP);
        eventually("the files are read", async || renewals(&server) == round).await;
    }
    assert_eq!(client(&server, files.client()).health("").await.unwrap(), Health::Serving);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ca_of_clients_holds_for_the_next_connections() {
    let files = Certificates::new();
    let ca = files.name("client-ca.pem");
    fs::copy(files.path("ca.pem"), &ca).unwrap();
    let server = start(&files, &["--tls-client-ca", &ca]);
    let known = client(&server, files.client_with("client"));
    assert_eq!(known.health("").await.unwrap(), Health::Serving);
    assert!(client(&server, files.client_with("stranger")).health("").await.is_err());
    files.replace_file("client-ca.pem", &files.path("other-ca.pem"));
    eventually("the other CA holds", async || {
        client(&server, files.client_with("stranger")).health("").await == Ok(Health::Serving)
    })
    .await;
    assert!(client(&server, files.client_with("client")).health("").await.is_err());
    // Connections that are open go on.
    assert_eq!(known.health("").await.unwrap(), Health::Serving);
}
