//! The metric of the web console. It is there if there is a console; its calls are among those of all.

use super::Families;
use crate::server::connections::worker::WorkerGauges;
use std::fmt;
use std::sync::atomic::Ordering;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, console: &WorkerGauges) -> fmt::Result {
    families.gauge(
        "sessiond_console_connections",
        "Connections of the console that are open; they are not among the others.",
        console.load.load(Ordering::Relaxed),
    )
}
