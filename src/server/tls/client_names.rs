//! Which clients get in, of those with a certificate.

use crate::authorization::CertificateName;
use crate::config::ALL_NAMES;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names of the clients that get in.
#[derive(Debug)]
pub(super) struct ClientNames {
    /// `None` if all get in.
    names: Option<Vec<String>>,
}

impl ClientNames {
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: (names != [ALL_NAMES]).then(|| names.to_vec()) }
    }

    /// Whether the client whose certificate has these names gets in: one of them must be among those here.
    pub(super) fn let_in(&self, own: &[CertificateName]) -> bool {
        let Some(names) = &self.names else { return true };
        own.iter().any(|own| names.iter().any(|name| own.is(name)))
    }
}

/// The alternative names of a client's certificate, which is the first of those that it has shown.
pub(super) fn names_of(shown: Option<&[CertificateDer<'_>]>) -> Vec<CertificateName> {
    let own = shown.and_then(<[_]>::first).and_then(|first| Certificate::from_der(first).ok());
    let own = own.and_then(|own| own.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten());
    let names = own.into_iter().flat_map(|(_, SubjectAltName(names))| names);
    let name_of = |name: GeneralName| match name {
        GeneralName::DnsName(name) => Some(CertificateName::Dns(name.as_str().to_owned())),
        GeneralName::UniformResourceIdentifier(uri) => Some(CertificateName::Uri(uri.as_str().to_owned())),
        _ => None,
    };
    names.filter_map(name_of).collect()
}
