//! Until when the certificate holds that a server shows.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::der::Decode as _;

use super::Finding;
use crate::cli::output::units::now;

const CHECK: &str = "end of TLS";
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) async fn check(authority: &str, limit: Duration) -> Finding {
    let asked = timeout(limit, end(authority)).await;
    let end = match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(end) => end,
        Err(error) => {
            let found = format!("{authority} shows no certificate ({error})");
            return Finding::fail(CHECK, found, "does listen begin with tls:// there?");
        }
    };
    let found = format!("the certificate holds until {}", humantime::format_rfc3339_seconds(end));
    let now = SystemTime::try_from(now()).unwrap_or(SystemTime::UNIX_EPOCH);
    match end.duration_since(now) {
        Err(_) => Finding::fail(CHECK, found, "no client connects any more: renew it"),
        Ok(left) if left < SOON => Finding::warn(CHECK, found, "renew it; the server takes the new files by itself"),
        Ok(_) => Finding::ok(CHECK, found),
    }
}

/// Begins a handshake and gives it up when the server has shown its certificate. Whether that is trusted is shown by the calls; this
/// works also where clients need a certificate, and for one that has ended.
async fn end(authority: &str) -> io::Result<SystemTime> {
    let provider = Arc::new(ring::default_provider());
    let seen = Arc::new(Seen { certificate: OnceLock::new(), provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.dangerous();
    let mut config = config.with_custom_certificate_verifier(Arc::clone(&seen) as _).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let peer = TcpStream::connect(authority).await?;
    let ended = TlsConnector::from(Arc::new(config)).connect(name, peer).await.map(drop);
    let Some(certificate) = seen.certificate.get() else {
        return Err(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let certificate = x509_cert::Certificate::from_der(certificate).map_err(io::Error::other)?;
    Ok(certificate.tbs_certificate().validity().not_after.to_system_time())
}

/// Keeps the certificate that it is shown, and trusts none: so no data ever goes over such a connection.
#[derive(Debug)]
struct Seen {
    certificate: OnceLock<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

fn enough() -> Error {
    Error::General("the certificate was looked at, and no more".to_owned())
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.certificate.set(end_entity.to_vec()).ok();
        Err(enough())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(enough())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(enough())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
