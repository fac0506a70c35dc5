//! Metrics of the process. Those that every process has are named as in every other program.

use super::{Families, seconds};
use crate::config::EngineKind;
use crate::server::metrics::Sources;
use crate::server::process::health::Phase;
use crate::usage;
use std::fmt;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, sources: &Sources) -> fmt::Result {
    let engine = match sources.services.settings.engine {
        EngineKind::Sled => "sled",
        EngineKind::Memory => "memory",
    };
    let build = [("version", env!("CARGO_PKG_VERSION")), ("engine", engine)];
    families.gauges("sessiond_build_info", "The version and the engine; the value is always 1.", [(build, 1)])?;
    let now = *sources.services.vitals.phase.borrow();
    families.gauges(
        "sessiond_phase",
        "1 for the phase that the server is in, 0 for the others.",
        Phase::ALL.map(|phase| ([("phase", phase.name())], u64::from(phase == now))),
    )?;
    families.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since the Unix epoch.",
        seconds(sources.started),
    )?;
    families.counter(
        "process_cpu_seconds",
        "CPU time of the process, all threads together.",
        usage::cpu_time().as_secs_f64(),
    )?;
    match usage::resident_bytes() {
        Some(bytes) => families.gauge("process_resident_memory_bytes", "Memory that the process occupies.", bytes),
        None => Ok(()),
    }
}
