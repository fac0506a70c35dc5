//! The files of TLS: what they must hold, and what is wrong with them in words that help.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore};
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

use super::short_chains::ShortChains;
use crate::clock::time_of_day;
use crate::watched_file::{self, Stamp, stamp};

/// Whoever speaks another protocol is refused in the handshake.
const ALPN: &[u8] = b"h2";

/// A certificate that ends sooner is warned of.
const ENDS_SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The permission of whoever is neither the owner nor in the group of a file to read it.
const OTHERS_READ: u32 = 0o004;

const CERTIFICATE: &str = "tls-certificate";
const KEY: &str = "tls-key";
const CLIENT_CA: &str = "tls-client-ca";

/// Where the certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What must have signed the certificates of clients; `None` if they need none.
    pub client_ca: Option<PathBuf>,
}

/// Why the files can't be used: which setting, what is wrong, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct TlsProblem {
    /// The setting that names the file.
    pub setting: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// What was read from the files.
#[derive(Clone)]
pub(in crate::server) struct Loaded {
    /// Of the files, before they were read.
    pub(super) stamps: Vec<Stamp>,
    pub(super) config: Arc<ServerConfig>,
    /// When the server's certificate ends.
    pub(super) ends: SystemTime,
    /// The mode of the key's file, if every user can read it.
    readable_key: Option<u32>,
}

impl TlsFiles {
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).map(|path| stamp(path)).collect()
    }

    pub(super) fn load(&self) -> Result<Loaded, TlsProblem> {
        // Before the files are read: what changes meanwhile is noticed.
        let stamps = self.stamps();
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(CERTIFICATE, &self.certificate)?;
        let key = private_key(&self.key)?;
        let ends = check_time(CERTIFICATE, &self.certificate, &chain[0])?;
        let own = chain[0].clone();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(CERTIFICATE, &self.certificate, error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let refuse = |error: &dyn fmt::Display| {
                    problem(
                        CLIENT_CA,
                        path,
                        format!("holds a certificate that can't be used ({error}); use the CA of the clients"),
                    )
                };
                let mut roots = RootCertStore::empty();
                let authorities = certificates(CLIENT_CA, path)?;
                for certificate in &authorities {
                    roots.add(certificate.clone()).map_err(|error| refuse(&error))?;
                }
                check_one_holds(CLIENT_CA, path, &authorities)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|error| refuse(&error))?;
                builder.with_client_cert_verifier(Arc::new(ShortChains(verifier)))
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = self.certificate.display();
                problem(KEY, &self.key, format!("is not the key of {certificate}; set both to the files of one pair"))
            }
            rustls::Error::General(_) => problem(
                KEY,
                &self.key,
                "is of no kind that can be used; use RSA from 2048 bits, P-256, P-384 or Ed25519",
            ),
            error => problem(CERTIFICATE, &self.certificate, format!("can't be used with its key ({error})")),
        })?;
        check_use(&self.certificate, &own)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        if self.client_ca.is_some() {
            // A session that is resumed would outlive the client's certificate.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let mode = fs::metadata(&self.key).map_or(0, |found| found.mode() & 0o777);
        let readable_key = Some(mode).filter(|mode| mode & OTHERS_READ != 0);
        Ok(Loaded { stamps, config: Arc::new(config), ends, readable_key })
    }
}

impl Loaded {
    /// Whether the certificate has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ends <= time_of_day()
    }

    /// Says so if others can read the key.
    pub(super) fn warn_of_readers(&self, files: &TlsFiles) {
        if let Some(mode) = self.readable_key {
            let (file, mode) = (files.key.display(), format!("{mode:04o}"));
            tracing::warn!(%file, mode, "every user can read the key of tls-key; take that away with chmod o-r");
        }
    }

    /// Says so if the certificate ends soon.
    pub(super) fn warn_of_its_end(&self, files: &TlsFiles) {
        if self.ends.duration_since(time_of_day()).is_ok_and(|left| left < ENDS_SOON) {
            let (file, ends) = (files.certificate.display(), humantime::format_rfc3339_seconds(self.ends));
            tracing::warn!(%file, %ends, "the certificate of tls-certificate ends soon; renew it");
        }
    }
}

/// All certificates of a file; there is one at least.
fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let text = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| problem(setting, path, format!("is no PEM file ({})", words(&error))))?;
    if found.is_empty() {
        return Err(problem(setting, path, "holds no certificate; use a PEM file with -----BEGIN CERTIFICATE-----"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    PrivateKeyDer::from_pem_slice(&read(KEY, path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => problem(
            KEY,
            path,
            "holds no private key that is not encrypted; use a PEM file with -----BEGIN PRIVATE KEY-----",
        ),
        error => problem(KEY, path, format!("is no PEM file ({})", words(&error))),
    })
}

/// An error about the last of these certificates if none holds now. Those that have ended may stay in a file beside those in use.
fn check_one_holds(setting: &'static str, path: &Path, certificates: &[CertificateDer<'_>]) -> Result<(), TlsProblem> {
    let times = certificates.iter().map(|certificate| check_time(setting, path, certificate).map(drop));
    times.reduce(Result::or).unwrap_or(Ok(()))
}

/// When the certificate ends; an error unless it holds now.
fn check_time(setting: &'static str, path: &Path, certificate: &CertificateDer<'_>) -> Result<SystemTime, TlsProblem> {
    let certificate = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| problem(setting, path, format!("holds a certificate that can't be read ({error})")))?;
    let validity = certificate.tbs_certificate().validity();
    let (begins, ends) = (validity.not_before.to_system_time(), validity.not_after.to_system_time());
    let now = time_of_day();
    if ends < now {
        let ended = humantime::format_rfc3339_seconds(ends);
        return Err(problem(setting, path, format!("ended at {ended}; renew it")));
    }
    if now < begins {
        let begins = humantime::format_rfc3339_seconds(begins);
        return Err(problem(setting, path, format!("holds only from {begins} on; check the clock, or use another")));
    }
    Ok(ends)
}

/// An error if no client takes the certificate for that of a server.
fn check_use(path: &Path, certificate: &CertificateDer<'_>) -> Result<(), TlsProblem> {
    let refuse = |found: &str| Err(problem(CERTIFICATE, path, found));
    let unreadable =
        |error| problem(CERTIFICATE, path, format!("has an extension that can't be read ({error}); use another"));
    let certificate = x509_cert::Certificate::from_der(certificate).map_err(unreadable)?;
    let certificate = certificate.tbs_certificate();
    if certificate.get_extension::<SubjectAltName>().map_err(unreadable)?.is_none_or(|(_, names)| names.0.is_empty()) {
        return refuse(
            "has no alternative name (subjectAltName), so that no client takes it; use one that names the server",
        );
    }
    let usage = certificate.get_extension::<ExtendedKeyUsage>().map_err(unreadable)?;
    match usage {
        Some((_, usage))
            if !usage.0.iter().any(|purpose| [ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].contains(purpose)) =>
        {
            refuse(
                "is not for servers (extendedKeyUsage without serverAuth), so that no client takes it; use one that is",
            )
        }
        _ => Ok(()),
    }
}

/// Reads a PEM file.
fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsProblem> {
    watched_file::read(path, "a PEM file").map_err(|found| problem(setting, path, found))
}

/// What a PEM reader found, without what stands in the file: that may be a key.
fn words(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section has no proper beginning",
        pem::Error::Base64Decode(_) => "it is not base64",
        _ => "it is damaged",
    }
}

fn problem(setting: &'static str, path: &Path, problem: impl fmt::Display) -> TlsProblem {
    TlsProblem { setting, problem: format!("{} {problem}", path.display()) }
}
