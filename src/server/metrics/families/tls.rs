//! Metrics of TLS. They are there if an address speaks it.

use super::Families;
use crate::server::tls::Tls;
use std::fmt;
use std::time::{Duration, SystemTime};

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, tls: &Tls) -> fmt::Result {
    families.gauge(
        "sessiond_tls_certificate_end_seconds",
        "When the certificate in use ends, in seconds since the Unix epoch.",
        tls.ends().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64(),
    )?;
    families.gauge(
        "sessiond_tls_certificate_stale",
        "1 if the files of the certificate can't be used as they are now, and an older one is.",
        u64::from(*tls.staleness().borrow()),
    )?;
    families.counter(
        "sessiond_tls_failed_handshakes",
        "Connections that did not get through the handshake.",
        tls.failed_handshakes(),
    )
}
