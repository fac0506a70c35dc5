//! How a client speaks TLS: its settings here, their [`files`], and the [`connector`] that uses them.

mod connector;
mod files;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::Endpoint;

pub(crate) use connector::Connector;
use files::Files;

/// How a client speaks TLS to addresses with `https://`: whom it trusts, and what it shows of itself. All of it is optional, and
/// all files are PEM. They are read when the client is made, and again for each connection: a renewed certificate is used from the
/// next one on, while those that are open go on. Files that can't be used then leave what held before.
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

    /// What is not set, from variables of the environment.
    pub(crate) fn or(self, variable: &impl Fn(&str) -> Option<OsString>) -> Self {
        let file = |set: Option<PathBuf>, name| set.or_else(|| variable(name).map(PathBuf::from));
        Self {
            ca_file: file(self.ca_file, "SESSIOND_CA_FILE"),
            certificate_file: file(self.certificate_file, "SESSIOND_CERTIFICATE_FILE"),
            key_file: file(self.key_file, "SESSIOND_KEY_FILE"),
            server_name: self.server_name.or_else(|| variable("SESSIOND_SERVER_NAME")?.into_string().ok()),
        }
    }

    /// Reads the files, and makes what connects to each of these endpoints. Each has its own host's name, unless a name is set.
    pub(crate) fn connectors(&self, endpoints: &[Endpoint], timeout: Duration) -> Result<Vec<Connector>, TlsError> {
        let files = Files::read(self)?;
        let connector = |endpoint: &Endpoint| {
            let host = endpoint.uri().host().unwrap_or_default();
            let name = self.server_name.as_deref().unwrap_or_else(|| host.trim_matches(['[', ']']));
            let name = ServerName::try_from(name.to_owned())
                .map_err(|_| TlsError(format!("{name:?} is not the name of a server")))?;
            Ok(Connector::new(files.clone(), name, timeout))
        };
        endpoints.iter().map(connector).collect()
    }

    /// Both files or none.
    fn pair(&self) -> Result<Option<(PathBuf, PathBuf)>, TlsError> {
        match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError("a certificate file needs a key file".to_owned())),
            (None, Some(_)) => Err(TlsError("a key file needs a certificate file".to_owned())),
        }
    }
}

impl TlsError {
    pub(crate) fn without_https() -> Self {
        Self("TLS settings need an https:// address".to_owned())
    }
}
