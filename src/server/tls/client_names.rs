//! Which clients get in, of those with a certificate.

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

    /// Whether the client that has shown these certificates gets in: one of its alternative names must be among those here.
    pub(super) fn let_in(&self, shown: Option<&[CertificateDer<'_>]>) -> bool {
        let Some(names) = &self.names else { return true };
        let own = shown.and_then(<[_]>::first).and_then(|first| Certificate::from_der(first).ok());
        let own = own.and_then(|own| own.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten());
        own.is_some_and(|(_, SubjectAltName(own))| own.iter().any(|own| names.iter().any(|name| is_named(own, name))))
    }
}

fn is_named(own: &GeneralName, name: &str) -> bool {
    match own {
        // RFC 4343: the case of a DNS name does not count.
        GeneralName::DnsName(own) => own.as_str().eq_ignore_ascii_case(name),
        GeneralName::UniformResourceIdentifier(own) => own.as_str() == name,
        _ => false,
    }
}
