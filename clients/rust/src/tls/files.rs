//! The files of TLS: they are read when the client is made, and again for each connection.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::{Tls, TlsError};

/// The protocol that gRPC needs.
pub(super) const HTTP2: &[u8] = b"h2";

/// What the settings lead to. Clones share it.
#[derive(Clone)]
pub(crate) struct Files(Arc<State>);

struct State {
    sources: Sources,
    current: Mutex<Current>,
}

/// Where it all comes from.
struct Sources {
    trust: Trust,
    /// The certificate and its key.
    pair: Option<(PathBuf, PathBuf)>,
}

/// Who may have signed the server's certificate.
enum Trust {
    /// Whom the system trusts.
    System(Arc<RootCertStore>),
    File(PathBuf),
}

/// What was read last of all that could be used.
struct Current {
    texts: Texts,
    config: Arc<ClientConfig>,
}

/// What stands in the files.
#[derive(PartialEq)]
struct Texts {
    /// Empty without a CA file.
    ca: Vec<u8>,
    pair: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    pub(super) fn read(settings: &Tls) -> Result<Self, TlsError> {
        let pair = settings.pair()?;
        let trust = match &settings.ca_file {
            Some(file) => Trust::File(file.clone()),
            None => Trust::System(Arc::new(trusted_by_the_system()?)),
        };
        let sources = Sources { trust, pair };
        let texts = sources.texts()?;
        let config = Arc::new(sources.config(&texts)?);
        Ok(Self(Arc::new(State { sources, current: Mutex::new(Current { texts, config }) })))
    }

    /// How to speak TLS on the next connection. Files that can't be used leave what held before.
    pub(super) async fn config(&self) -> Arc<ClientConfig> {
        let state = Arc::clone(&self.0);
        // The files may lie on a disk that is slow. This fails only while the runtime ends.
        spawn_blocking(move || state.read_again()).await.ok();
        Arc::clone(&self.0.current().config)
    }
}

impl State {
    fn read_again(&self) {
        let Ok(texts) = self.sources.texts() else { return };
        // The same settings as before also resume sessions.
        if texts == self.current().texts {
            return;
        }
        if let Ok(config) = self.sources.config(&texts) {
            *self.current() = Current { texts, config: Arc::new(config) };
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources {
    fn texts(&self) -> Result<Texts, TlsError> {
        let ca = match &self.trust {
            Trust::System(_) => Vec::new(),
            Trust::File(file) => text(file)?,
        };
        let pair = self.pair.as_ref().map(|(certificate, key)| Ok((text(certificate)?, text(key)?))).transpose()?;
        Ok(Texts { ca, pair })
    }

    fn config(&self, texts: &Texts) -> Result<ClientConfig, TlsError> {
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let roots = match &self.trust {
            Trust::System(roots) => Arc::clone(roots),
            Trust::File(file) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(file, &texts.ca)?);
                Arc::new(roots)
            }
        };
        let builder = builder.with_root_certificates(roots);
        let mut config = match (&self.pair, &texts.pair) {
            (Some((certificate, key)), Some((certificate_text, key_text))) => {
                let certificates = certificates(certificate, certificate_text)?;
                let private = PrivateKeyDer::from_pem_slice(key_text)
                    .map_err(|_| problem(key, "holds no private key that is not encrypted, in PEM"))?;
                builder.with_client_auth_cert(certificates, private).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        problem(key, format_args!("is not the key of {}", certificate.display()))
                    }
                    error => unusable(&error),
                })?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(config)
    }
}

fn trusted_by_the_system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError("the system trusts no CA: name a CA file".to_owned()));
    }
    Ok(roots)
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = path.to_string_lossy();
    if text.contains("-----BEGIN") || text.contains('\n') {
        // It may be a key, and is not repeated.
        return Err(TlsError("the text of a PEM file stands where its path belongs".to_owned()));
    }
    fs::read(path).map_err(|error| problem(path, format_args!("can't be read ({error})")))
}

/// There must be one at least, and all must be whole.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| problem(path, "holds no certificate in PEM"))
}

fn unusable(error: &rustls::Error) -> TlsError {
    TlsError(format!("TLS can't be set up: {error}"))
}

fn problem(path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError(format!("{} {problem}", path.display()))
}
