//! The trace that a call belongs to.

use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;

use crate::proto::TraceContext;

/// The longest traceparent and tracestate that are sent, in bytes.
const LONGEST: usize = 512;

/// Asks for the trace of the caller's span, where a client was told how. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct TraceSource(Option<Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>>);

/// A trace that can be sent.
#[derive(Debug, Clone)]
pub(crate) struct Trace(TraceContext);

impl TraceSource {
    pub(crate) fn new(current: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(current)))
    }

    /// The trace of the caller's span, if there is one that a header can have.
    pub(crate) fn current(&self) -> Option<Trace> {
        let mut trace = self.0.as_ref()?()?;
        if !is_header_text(&trace.traceparent, b'!') {
            return None;
        }
        if !is_header_text(&trace.tracestate, b' ') {
            trace.tracestate.clear();
        }
        Some(Trace(trace))
    }
}

impl fmt::Debug for TraceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "TraceSource" } else { "None" })
    }
}

/// Whether a header can have a text, whose characters are printable ones from the lowest on.
fn is_header_text(text: &str, lowest: u8) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| (lowest..=b'~').contains(&byte))
}

impl Trace {
    /// Names the trace in the metadata of a unary call.
    pub(crate) fn name_in<Q>(&self, request: &mut Request<Q>) {
        let TraceContext { traceparent, tracestate } = &self.0;
        for (name, text) in [("traceparent", traceparent), ("tracestate", tracestate)] {
            if let Some(value) = AsciiMetadataValue::try_from(text).ok().filter(|_| !text.is_empty()) {
                request.metadata_mut().insert(name, value);
            }
        }
    }

    /// As a call of a stream names it.
    pub(crate) fn in_call(&self) -> TraceContext {
        self.0.clone()
    }

    /// The bytes that it takes in a call, at most.
    pub(crate) fn length(&self) -> usize {
        /// Its key and its length.
        const FRAME: usize = 4;
        self.0.encoded_len() + FRAME
    }
}
