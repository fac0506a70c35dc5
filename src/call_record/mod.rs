//! What operators are told of single calls: who made them, what they were about and how they ended.
//!
//! A [`Recorder`] knows of which calls a record is kept; the [`CallRecord`] of a call goes with its caller through the service,
//! which notes what it finds out ([`Notes`]). When the call ends, its line is written: by [`audit`] if it is an administrative
//! one, into a file by [`audit_file`], and by [`access_line`] if there is one for every call. If its caller traces it
//! ([`trace_context`]) and there is a collector, its [`spans`] are sent. Otherwise most calls have no record, and cost no more than
//! the look whether they have.

mod access_line;
mod audit;
mod audit_file;
mod spans;
mod trace_context;

pub use audit::AuditLog;
pub use spans::{SpanExporter, SpanSettingError};
pub use trace_context::TraceContext;

use crate::authorization::PeerIdentity;
use crate::clock::time_of_day;
use crate::model::Handle;
use crate::service::{Lane, MAX_PRINCIPAL_BYTES, Rpc};
use spans::EndedCall;
pub(crate) use spans::SpanCounts;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tonic::Code;

/// Knows of which calls records are kept, and where their lines go. Clones share it.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Sinks>);

#[derive(Debug)]
struct Sinks {
    audit: AuditLog,
    /// Whether every call is told of in the log.
    access_lines: bool,
    /// Where spans are sent, if there is a collector.
    spans: Option<SpanExporter>,
}

/// What a call is when it begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The method.
    pub rpc: Rpc,
    /// How it came.
    pub lane: Lane,
    /// Whether it may be an administrative call.
    pub may_be_audited: bool,
    /// When it began.
    pub began: Instant,
}

/// The record of one call. Clones share it. A call that never ends, because its connection or the server does, ends with the
/// last of them, as cancelled.
#[derive(Clone)]
pub struct CallRecord(Arc<Record>);

struct Record {
    sinks: Arc<Sinks>,
    beginning: Beginning,
    peer: Arc<PeerIdentity>,
    /// The trace that it belongs to.
    trace: Option<TraceContext>,
    /// `None` once the call has ended.
    notes: Mutex<Option<Notes>>,
}

/// What is found out about a call while it is carried out. There is no secret among it.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The name of the caller, where rules of access tell it.
    pub caller: Option<String>,
    /// The namespace, once it is known to be one.
    pub namespace: Option<String>,
    /// The session, if the call is about one that is there.
    pub handle: Option<Handle>,
    /// Whether the audit log tells of it.
    pub is_audited: bool,
    /// Which sessions an administrative call is about.
    pub scope: Option<&'static str>,
    /// Whose.
    pub principal: Option<String>,
    /// Sessions that it has ended, listed, counted, checked, sent or received.
    pub sessions: Option<u64>,
    /// Events that it has sent, checked or received.
    pub events: Option<u64>,
    /// Bytes of a backup.
    pub bytes: Option<u64>,
    /// When the engine was asked and how long it took, if a span tells of it.
    pub engine: Option<(Instant, Duration)>,
}

impl Notes {
    /// Notes whose sessions a call is about. What is too long to be a principal is none.
    pub(crate) fn note_principal(&mut self, principal: &str) {
        if !principal.is_empty() && principal.len() <= MAX_PRINCIPAL_BYTES {
            self.principal = Some(principal.to_owned());
        }
    }
}

impl Recorder {
    /// Keeps records for the audit log, of every call if each has a line in the log, and of those of sampled traces if their
    /// spans are sent.
    #[must_use]
    pub fn new(audit: AuditLog, access_lines: bool, spans: Option<SpanExporter>) -> Self {
        Self(Arc::new(Sinks { audit, access_lines, spans }))
    }

    /// The log of administrative calls.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.0.audit
    }

    /// What was counted of spans; `None` if none are sent.
    pub(crate) fn span_counts(&self) -> Option<SpanCounts> {
        self.0.spans.as_ref().map(SpanExporter::counts)
    }

    /// Begins the record of a call, if one is kept. Which trace it belongs to is looked for only if somebody is told.
    #[must_use]
    pub fn begin(
        &self,
        beginning: Beginning,
        peer: &Arc<PeerIdentity>,
        trace: impl FnOnce() -> Option<TraceContext>,
    ) -> Option<CallRecord> {
        let Sinks { access_lines, spans, .. } = &*self.0;
        let trace = if *access_lines || spans.is_some() { trace() } else { None };
        let has_span = spans.is_some() && trace.as_ref().is_some_and(|trace| trace.is_sampled);
        if !access_lines && !beginning.may_be_audited && !has_span {
            return None;
        }
        let (sinks, peer, notes) = (Arc::clone(&self.0), Arc::clone(peer), Mutex::new(Some(Notes::default())));
        Some(CallRecord(Arc::new(Record { sinks, beginning, peer, trace, notes })))
    }

    /// Writes and sends what is still to be, and waits for each no longer than this.
    pub fn finish(&self, within: Duration) {
        self.0.audit.finish(within);
        if let Some(spans) = &self.0.spans {
            spans.finish(within);
        }
    }
}

impl CallRecord {
    /// Takes a note, unless the call has ended.
    pub fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(notes) = self.0.notes().as_mut() {
            note(notes);
        }
    }

    /// Whether a span tells of it.
    #[must_use]
    pub fn has_span(&self) -> bool {
        self.0.exporter().is_some()
    }

    /// Tells of an administrative call that may last long, before it ends.
    pub fn begun(&self) {
        if let Some(notes) = self.0.notes().as_ref().filter(|notes| notes.is_audited) {
            self.0.sinks.audit.begun(&self.0.beginning, &self.0.peer, notes);
        }
    }

    /// Tells of the call, which has ended with this code after so long.
    pub fn end(&self, code: Code, took: Duration) {
        self.0.end(code, took);
    }
}

impl Record {
    fn notes(&self) -> MutexGuard<'_, Option<Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its span is sent, if it has one, and of which trace it is.
    fn exporter(&self) -> Option<(&SpanExporter, &TraceContext)> {
        let (spans, trace) = (self.sinks.spans.as_ref()?, self.trace.as_ref()?);
        trace.is_sampled.then_some((spans, trace))
    }

    fn end(&self, code: Code, took: Duration) {
        let Some(notes) = self.notes().take() else { return };
        if self.sinks.access_lines {
            access_line::write(&self.beginning, (&self.peer, self.trace.as_ref()), &notes, (code, took));
        }
        if notes.is_audited {
            self.sinks.audit.ended(&self.beginning, &self.peer, &notes, (code, took));
        }
        if let Some((spans, trace)) = self.exporter() {
            let (beginning, trace) = (self.beginning.clone(), trace.clone());
            spans.export(EndedCall { beginning, notes, trace, code, took, ended: time_of_day() });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Code::Cancelled, self.beginning.began.elapsed());
    }
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRecord").field("beginning", &self.0.beginning).finish_non_exhaustive()
    }
}
