//! Who gets in over TLS, what those hear who don't, and that none of them keeps others out.

use super::{authority, builder, client, start};
use crate::common::metrics::scrape;
use crate::common::tls::Certificates;
use crate::common::{LONG, Server, eventually, raw};
use crate::metrics::counted::OF_TLS;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange};
use sessiond_client::{Error, Health, Lane};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tonic::Code;
use tonic::transport::Endpoint;

fn cause(error: Error) -> String {
    match error {
        Error::Unavailable { cause, .. } => cause,
        other => panic!("{other:?} instead of an unavailable server"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_every_kind_work_over_tls() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    for lane in [Lane::Auto, Lane::Unary] {
        let client = builder(&server, files.client()).lane(lane).connect_lazy().unwrap();
        let created = client.create(CreateSessionRequest::new().attribute("a", "x".repeat(50_000))).await.unwrap();
        let change = SessionChange::new().set("b", "y".repeat(50_000));
        client.update(&created.session_id, change).await.unwrap();
        let read = client.get(GetSessionRequest::new(&created.session_id)).await.unwrap();
        assert_eq!(read.session.attributes.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_a_time_share_a_connection() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    let client = client(&server, files.client());
    let session = client.create(CreateSessionRequest::new().attribute("a", "x".repeat(10_000))).await.unwrap();
    let calls: Vec<_> = (0..2_000)
        .map(|_| {
            let (client, id) = (client.clone(), session.session_id.clone());
            tokio::spawn(async move { client.get(GetSessionRequest::new(id)).await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_a_certificate_of_the_ca_get_in() {
    let files = Certificates::new();
    let ca = files.name("ca.pem");
    let server = start(&files, &["--tls-client-ca", &ca, "--metrics-listen", "127.0.0.1:0"]);
    let failed = || scrape(server.metrics_address()).value("sessiond_tls_failed_handshakes_total");
    assert_eq!(client(&server, files.client_with("client")).health("").await.unwrap(), Health::Serving);
    assert!(failed() < 0.5);
    for shown in [files.client(), files.client_with("stranger")] {
        let seen = cause(client(&server, shown).health("").await.unwrap_err()).to_lowercase();
        assert!(seen.contains("certificate"), "{seen}");
    }
    // A stream of calls ends for the same reason as a call.
    for (lane, shown) in [(Lane::Auto, files.client()), (Lane::Auto, files.client_with("stranger"))] {
        let client = builder(&server, shown).lane(lane).connect_lazy().unwrap();
        let seen = cause(client.create(CreateSessionRequest::new()).await.map(drop).unwrap_err()).to_lowercase();
        assert!(seen.contains("certificate"), "{seen}");
    }
    eventually("both are counted", async || failed() > 1.5).await;
    // A client tries again, since it can't know why the connection was closed.
    eventually("both are logged", async || server.log().matches("a handshake of TLS failed").count() >= 2).await;
    assert!(server.log().contains("\"from\":\"127.0.0.1:"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_has_ended_may_stay_beside_the_one_in_use() {
    let files = Certificates::new();
    let both = ["expired.pem", "ca.pem"].map(|file| fs::read_to_string(files.path(file)).unwrap()).concat();
    fs::write(files.path("both.pem"), both).unwrap();
    let server = start(&files, &["--tls-client-ca", &files.name("both.pem")]);
    assert_eq!(client(&server, files.client_with("client")).health("").await.unwrap(), Health::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_clients_of_a_ca_only_those_get_in_that_are_named() {
    let files = Certificates::new();
    let ca = files.name("ca.pem");
    for (names, gets_in) in [
        ("all", true),
        ("APP.sessiond.test", true),
        ("other.test,spiffe://sessiond.test/app", true),
        ("client", false),
        ("*.sessiond.test", false),
        ("sessiond.test", false),
        ("spiffe://sessiond.test/APP", false),
    ] {
        let server = start(&files, &["--tls-client-ca", &ca, "--tls-client-names", names]);
        for lane in [Lane::Auto, Lane::Unary] {
            let client = builder(&server, files.client_with("client")).lane(lane).connect_lazy().unwrap();
            let answer = client.create(CreateSessionRequest::new()).await;
            assert_eq!(answer.is_ok(), gets_in, "{names}: {answer:?}");
            if let Err(error) = answer {
                assert!(error.to_string().contains("no name that tls-client-names lets in"), "{names}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_many_certificates_are_refused() {
    let files = Certificates::new();
    let ca = files.name("ca.pem");
    let server = start(&files, &["--tls-client-ca", &ca]);
    let [own, more] = ["client.pem", "other-ca.pem"].map(|file| fs::read_to_string(files.path(file)).unwrap());
    for (number, gets_in) in [(4, true), (5, false), (50, false)] {
        fs::write(files.path("chain.pem"), own.clone() + &more.repeat(number)).unwrap();
        let chain = files.client().certificate_file(files.path("chain.pem")).key_file(files.path("client-key.pem"));
        assert_eq!(client(&server, chain).health("").await.is_ok(), gets_in, "{number}");
    }
}

/// Whether a second connection resumes the first's session.
async fn resumes(server: &Server, files: &Certificates) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.path("ca.pem")).unwrap()).unwrap();
    let own = CertificateDer::pem_file_iter(files.path("client.pem")).unwrap().map(Result::unwrap).collect();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(own, PrivateKeyDer::from_pem_file(files.path("client-key.pem")).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let mut kind = None;
    for _ in 0..2 {
        let socket = tokio::net::TcpStream::connect(authority(server)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = connector.connect(name, socket).await.unwrap();
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // What the server sends first is behind its tickets.
        connection.read_u8().await.unwrap();
        kind = connection.get_ref().1.handshake_kind();
    }
    kind == Some(HandshakeKind::Resumed)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_of_tls_outlives_the_certificate_of_a_client() {
    let files = Certificates::new();
    let ca = files.name("ca.pem");
    assert!(resumes(&start(&files, &[]), &files).await, "without certificates it is resumed");
    assert!(!resumes(&start(&files, &["--tls-client-ca", &ca]), &files).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_notice_a_server_that_is_another() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    let stranger = sessiond_client::Tls::new().ca_file(files.path("other-ca.pem"));
    assert!(cause(client(&server, stranger).health("").await.unwrap_err()).contains("certificate"));
    let other_name = files.client().server_name("else.test");
    assert!(cause(client(&server, other_name).health("").await.unwrap_err()).contains("else.test"));
    let its_name = files.client().server_name("sessiond.test");
    assert_eq!(client(&server, its_name).health("").await.unwrap(), Health::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_without_tls_are_told_so() {
    let files = Certificates::new();
    let server = start(&files, &[]);
    let address = authority(&server);
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    for _ in 0..3 {
        let refused = raw::call(channel.clone(), "/grpc.health.v1.Health/Check", &b""[..]).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.message(), "this port takes TLS only; write https:// before the address");
    }
    for lane in [Lane::Auto, Lane::Unary] {
        let plain = sessiond_client::Client::builder().address(address).lane(lane).deadline(LONG);
        let refused = plain.connect_lazy().unwrap().create(CreateSessionRequest::new()).await.unwrap_err();
        assert!(matches!(refused, Error::Other { code: Code::FailedPrecondition, .. }), "{refused:?}");
    }
    let mut http = TcpStream::connect(address).unwrap();
    http.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthis port takes TLS only; write https:// before the address\n"), "{answer}");
    // And the other way round.
    let plain = Server::start();
    let tls = sessiond_client::Client::builder().address(format!("https://{}", plain.address())).tls(files.client());
    let seen = cause(tls.deadline(LONG).connect_lazy().unwrap().health("").await.unwrap_err());
    assert!(seen.contains("it speaks no TLS there"), "{seen}");
}

/// What peers send that never finish a handshake: nothing, a part of it, what is no TLS, and what never ends.
const UNFINISHED: [&[u8]; 5] =
    [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01\x40\x00"];

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_cut_off() {
    let files = Certificates::new();
    let server = start(&files, &["--receive-timeout", "1s"]);
    let began = Instant::now();
    let mut peers: Vec<TcpStream> = UNFINISHED
        .iter()
        .map(|begun| {
            let mut peer = TcpStream::connect(authority(&server)).unwrap();
            peer.write_all(begun).unwrap();
            peer
        })
        .collect();
    for peer in &mut peers {
        peer.set_read_timeout(Some(LONG)).unwrap();
        // The server closes or resets it, perhaps after an answer.
        let mut rest = Vec::new();
        let closed = peer.read_to_end(&mut rest);
        assert!(closed.as_ref().map_err(std::io::Error::kind) != Err(std::io::ErrorKind::WouldBlock), "{closed:?}");
    }
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_keep_nobody_out() {
    let files = Certificates::new();
    let server = start(&files, &["--receive-timeout", "10m", "--max-connections", "20"]);
    let mut peers = Vec::new();
    for number in 0..60 {
        let mut peer = TcpStream::connect(authority(&server)).unwrap();
        // It may have been closed already.
        peer.write_all(UNFINISHED[number % UNFINISHED.len()]).ok();
        peers.push(peer);
    }
    assert_eq!(client(&server, files.client()).health("").await.unwrap(), Health::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_a_connection_and_nothing_else() {
    let files = Certificates::new();
    let mut server = start(&files, &["--metrics-listen", "127.0.0.1:0"]);
    let client = client(&server, files.client());
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let mut peer = TcpStream::connect(authority(&server)).unwrap();
        let mut bytes = vec![0; random.usize(1..2_000)];
        random.fill(&mut bytes);
        if round % 2 == 0 {
            // A record with a handshake in it, of which only the frame is right.
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes.splice(0..0, [0x16, 3, 1, length[0], length[1], 1]);
        }
        // The server may close it before all is sent.
        peer.write_all(&bytes).ok();
    }
    assert_eq!(client.health("").await.unwrap(), Health::Serving);
    let told = scrape(server.metrics_address());
    for name in OF_TLS {
        assert!(told.has(name), "{name} is missing");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_drains_in_order() {
    let files = Certificates::new();
    let mut server = start(&files, &[]);
    let client = client(&server, files.client());
    client.create(CreateSessionRequest::new()).await.unwrap();
    server.stop();
    assert!(client.health("").await.is_err());
}
