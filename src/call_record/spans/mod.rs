//! Spans of the calls of sampled traces, for a collector that speaks OTLP.
//!
//! A call that has ended is handed over in a queue ([`SpanExporter`]); a task of its own turns it into spans ([`span`]) and
//! sends them. With a queue that is full, or a collector that does not take them, spans are dropped and counted: no call ever
//! waits.

#[cfg(feature = "otlp")]
mod headers;
#[cfg(feature = "otlp")]
mod queue;
#[cfg(feature = "otlp")]
mod span;
#[cfg(not(feature = "otlp"))]
mod without;

#[cfg(feature = "otlp")]
pub use queue::SpanExporter;
#[cfg(not(feature = "otlp"))]
pub use without::SpanExporter;

use super::{Beginning, Notes, TraceContext};
use std::time::{Duration, SystemTime};
use tonic::Code;

/// A call that has ended, for its spans.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "without the feature nothing reads what has no spans"))]
pub(super) struct EndedCall {
    pub(super) beginning: Beginning,
    pub(super) notes: Notes,
    pub(super) trace: TraceContext,
    pub(super) code: Code,
    pub(super) took: Duration,
    /// By the time of day.
    pub(super) ended: SystemTime,
}

/// Why spans can't be sent.
#[derive(Debug)]
pub struct SpanSettingError {
    /// The setting that is wrong.
    pub setting: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

/// What was counted of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanCounts {
    /// The collector has taken them.
    pub(crate) exported: u64,
    /// They are lost.
    pub(crate) dropped: u64,
}
