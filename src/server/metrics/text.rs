//! The text of all metrics, as Prometheus reads it.

use super::sources::Sources;
use bytes::Bytes;
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE};
use prometheus_client::registry::Registry;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The text is written anew only after this time: whoever asks without a pause gets the last one again, and costs those
/// whose numbers are read nothing.
const FRESH: Duration = Duration::from_millis(500);

/// All metrics.
pub(super) struct Text {
    registry: Registry,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Text {
    pub(super) const CONTENT_TYPE: &str = CONTENT_TYPE;

    pub(super) fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        Self { registry, last: Mutex::default() }
    }

    /// The present text.
    pub(super) fn current(&self) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((written, text)) = &*last
            && written.elapsed() < FRESH
        {
            return text.clone();
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry).expect("a string takes all that is written to it");
        let text = Bytes::from(text);
        *last = Some((Instant::now(), text.clone()));
        text
    }
}
