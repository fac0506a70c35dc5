//! How a client speaks TLS.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// How a client speaks TLS to addresses with `https://`: whom it trusts, and what it shows of itself. All of it is optional, and
/// all files are PEM. They are read when the client is made.
///
/// What is left out comes from the environment variables `SESSIOND_CA_FILE`, `SESSIOND_CERTIFICATE_FILE`, `SESSIOND_KEY_FILE`
/// and `SESSIOND_SERVER_NAME`; an empty one counts as unset.
///
/// ```
/// # use sessiond_client::Tls;
/// let tls = Tls::new()
///     .ca_file("/etc/sessiond/ca.pem")
///     .certificate_file("/etc/app/client.pem")
///     .key_file("/etc/app/client-key.pem");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    server_name: Option<String>,
}

/// TLS settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl Tls {
    /// The system's trust, no certificate, and the name of the address.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The only certificates that may have signed the server's. Without it, those that the system trusts.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// The client's certificate and those between it and its CA, for servers that ask for one. It needs a key file.
    #[must_use]
    pub fn certificate_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.certificate_file = Some(file.into());
        self
    }

    /// The private key of the certificate.
    #[must_use]
    pub fn key_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.key_file = Some(file.into());
        self
    }

    /// The name that the server's certificate must have, in place of the host of the address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is not set, from the environment.
    pub(crate) fn or_environment(self) -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let file = |set: Option<PathBuf>, name| set.or_else(|| variable(name).map(PathBuf::from));
        Self {
            ca_file: file(self.ca_file, "SESSIOND_CA_FILE"),
            certificate_file: file(self.certificate_file, "SESSIOND_CERTIFICATE_FILE"),
            key_file: file(self.key_file, "SESSIOND_KEY_FILE"),
            server_name: self
                .server_name
                .or_else(|| variable("SESSIOND_SERVER_NAME").and_then(|name: OsString| name.into_string().ok())),
        }
    }

    /// Reads the files and sets the endpoints up. Each has its own host's name, unless a name is set.
    pub(crate) fn set_up(&self, endpoints: Vec<Endpoint>) -> Result<Vec<Endpoint>, TlsError> {
        let mut config = match &self.ca_file {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(path) => {
                let text = read(path)?;
                check_certificates(path, &text)?;
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(text))
            }
        };
        if let Some((certificate, key)) = self.pair()? {
            let (certificate_text, key_text) = (read(certificate)?, read(key)?);
            check_certificates(certificate, &certificate_text)?;
            PrivateKeyDer::from_pem_slice(&key_text)
                .map_err(|_| problem(key, "holds no private key that is not encrypted, in PEM"))?;
            config = config.identity(Identity::from_pem(certificate_text, key_text));
        }
        let set_up = |endpoint: Endpoint| {
            let host = endpoint.uri().host().unwrap_or_default();
            let name = self.server_name.as_deref().unwrap_or_else(|| host.trim_matches(['[', ']']));
            let config = config.clone().domain_name(name);
            endpoint.clone().tls_config(config).map_err(|error| self.refusal(name, &error))
        };
        endpoints.into_iter().map(set_up).collect()
    }

    /// Both files or none.
    fn pair(&self) -> Result<Option<(&Path, &Path)>, TlsError> {
        match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError("a certificate file needs a key file".to_owned())),
            (None, Some(_)) => Err(TlsError("a key file needs a certificate file".to_owned())),
        }
    }

    /// Why the files can't be used, although each of them can be read.
    fn refusal(&self, name: &str, error: &tonic::transport::Error) -> TlsError {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let text = cause.to_string();
        match (&self.key_file, &self.certificate_file) {
            (Some(key), Some(certificate))
                if text.contains("keys may not be consistent") || text.contains("KeyMismatch") =>
            {
                problem(key, format_args!("is not the key of {}", certificate.display()))
            }
            _ if text.contains("invalid dns name") => TlsError(format!("{name:?} is not the name of a server")),
            _ => TlsError(format!("TLS can't be set up: {text}")),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = path.to_string_lossy();
    if text.contains("-----BEGIN") || text.contains('\n') {
        // It may be a key, and is not repeated.
        return Err(TlsError("the text of a PEM file stands where its path belongs".to_owned()));
    }
    fs::read(path).map_err(|error| problem(path, format_args!("can't be read ({error})")))
}

/// There must be one at least, and all must be whole.
fn check_certificates(path: &Path, text: &[u8]) -> Result<(), TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(()),
        _ => Err(problem(path, "holds no certificate in PEM")),
    }
}

fn problem(path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError(format!("{} {problem}", path.display()))
}

impl TlsError {
    pub(crate) fn without_https() -> Self {
        Self("TLS settings need an https:// address".to_owned())
    }
}
