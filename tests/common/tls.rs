//! Certificates for servers and clients under test.

use super::now;
use sessiond_client::Tls;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

/// A connection of a peer that does not ask who the server is, and speaks this protocol.
pub(crate) fn trusting_connection(protocol: &str) -> ClientConnection {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Trusting(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

#[derive(Debug)]
struct Trusting(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// A folder with the certificates that `clients/conformance/tls/generate` makes.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        Self::made_by(&[])
    }

    /// Also `brief.pem`, which ends after this time.
    pub(crate) fn with_brief(time: Duration) -> Self {
        let end = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(now()) + time).to_string();
        Self::made_by(&[&end.replace(['-', ':', 'T'], "")])
    }

    fn made_by(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let generate = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/conformance/tls/generate");
        let made = Command::new(generate).arg(folder.path()).args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(folder)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn name(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }

    /// Replaces a certificate and its key, as a program that renews them does: one after the other, each at once.
    pub(crate) fn replace(&self, old: &str, new: &str) {
        for end in [".pem", "-key.pem"] {
            self.replace_file(&format!("{old}{end}"), &self.path(&format!("{new}{end}")));
        }
    }

    /// Puts a copy of a file in the place of another at once.
    pub(crate) fn replace_file(&self, old: &str, new: &Path) {
        let copy = self.path("copy");
        fs::copy(new, &copy).unwrap();
        fs::rename(copy, self.path(old)).unwrap();
    }

    /// The flags of a server with the first certificate, on a free port.
    pub(crate) fn server_flags(&self) -> Vec<String> {
        let files = [("--tls-certificate", "server.pem"), ("--tls-key", "server-key.pem")];
        let mut flags = vec!["--listen".to_owned(), "tls://127.0.0.1:0".to_owned()];
        flags.extend(files.iter().flat_map(|(flag, file)| [(*flag).to_owned(), self.name(file)]));
        flags
    }

    /// A client that trusts the CA, and shows no certificate.
    pub(crate) fn client(&self) -> Tls {
        Tls::new().ca_file(self.path("ca.pem"))
    }

    /// A client that also shows this certificate.
    pub(crate) fn client_with(&self, name: &str) -> Tls {
        let [certificate, key] = ["", "-key"].map(|end| self.path(&format!("{name}{end}.pem")));
        self.client().certificate_file(certificate).key_file(key)
    }
}
