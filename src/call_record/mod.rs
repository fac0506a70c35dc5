//! What operators are told of single calls: who made them, what they were about and how they ended.
//!
//! A [`Recorder`] knows of which calls a record is kept; the [`CallRecord`] of a call goes with its caller through the service,
//! which notes what it finds out ([`Notes`]). When the call ends, its line is written: by [`audit`] if it is an administrative
//! one, into a file by [`audit_file`], and by [`access_line`] if there is one for every call. Otherwise most calls have no record,
//! and cost no more than the look whether they have.

mod access_line;
mod audit;
mod audit_file;

pub use audit::AuditLog;

use crate::authorization::PeerIdentity;
use crate::model::Handle;
use crate::service::{Lane, MAX_PRINCIPAL_BYTES, Rpc};
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
    /// Keeps records for the audit log, and of every call if each has a line in the log.
    #[must_use]
    pub fn new(audit: AuditLog, access_lines: bool) -> Self {
        Self(Arc::new(Sinks { audit, access_lines }))
    }

    /// The log of administrative calls.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.0.audit
    }

    /// Begins the record of a call, if one is kept.
    #[must_use]
    pub fn begin(&self, beginning: Beginning, peer: &Arc<PeerIdentity>) -> Option<CallRecord> {
        if !self.0.access_lines && !beginning.may_be_audited {
            return None;
        }
        let (sinks, peer, notes) = (Arc::clone(&self.0), Arc::clone(peer), Mutex::new(Some(Notes::default())));
        Some(CallRecord(Arc::new(Record { sinks, beginning, peer, notes })))
    }

    /// Writes what is still to be written, and waits for it no longer than this.
    pub fn finish(&self, within: Duration) {
        self.0.audit.finish(within);
    }
}

impl CallRecord {
    /// Takes a note, unless the call has ended.
    pub fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(notes) = self.0.notes().as_mut() {
            note(notes);
        }
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

    fn end(&self, code: Code, took: Duration) {
        let Some(notes) = self.notes().take() else { return };
        if self.sinks.access_lines {
            access_line::write(&self.beginning, &self.peer, &notes, (code, took));
        }
        if notes.is_audited {
            self.sinks.audit.ended(&self.beginning, &self.peer, &notes, (code, took));
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
