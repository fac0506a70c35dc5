//! Where metrics are read.

use super::families::{Families, access, audit, calls, console, process, sessions, spans, storage, tls};
use crate::clock::Millis;
use crate::server::connections::slots::Slots;
use crate::server::connections::worker::{Services, WorkerGauges};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What metrics are read from, when they are asked for.
pub(in crate::server) struct Sources {
    pub(in crate::server) services: Services,
    pub(in crate::server) slots: Arc<Slots>,
    pub(in crate::server) workers: Vec<WorkerGauges>,
    /// What the console tells of itself; `None` if there is none.
    pub(in crate::server) console: Option<WorkerGauges>,
    /// How far the sweeper was behind at the last look, in milliseconds. Asking now could wait for the disk.
    pub(in crate::server) sweeper_lag: Arc<AtomicU64>,
    pub(in crate::server) started: Millis,
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families::new(&mut encoder);
        process::write(&mut families, self)?;
        calls::write(&mut families, self)?;
        if let Some(in_use) = &self.services.tls {
            tls::write(&mut families, in_use)?;
        }
        if let Some(authorizer) = &self.services.authorizer {
            access::write(&mut families, authorizer)?;
        }
        if let Some(failures) = self.services.recorder.audit().failures() {
            audit::write(&mut families, failures)?;
        }
        if let Some(counts) = self.services.recorder.span_counts() {
            spans::write(&mut families, counts)?;
        }
        if let Some(gauges) = &self.console {
            console::write(&mut families, gauges)?;
        }
        // While the data is being opened, nobody knows what is in it.
        if let Some(snapshot) = self.services.store.snapshot() {
            sessions::write(&mut families, &snapshot, self)?;
            storage::write(&mut families, &snapshot)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
