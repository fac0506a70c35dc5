//! The metric of the audit log. It is there if the log has a file.

use super::Families;
use std::fmt;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, failures: u64) -> fmt::Result {
    families.counter(
        "sessiond_audit_failures",
        "Lines that could not be written to the file of the audit log; they are in the ordinary log.",
        failures,
    )
}
