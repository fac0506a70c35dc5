//! The log of administrative calls, and of renewals of what decides about calls.

use super::audit_file::AuditFile;
use super::{Beginning, Notes};
use crate::authorization::PeerIdentity;
use crate::clock::time_of_day;
use crate::printable::escape_controls;
use crate::service::code_name;
use serde::Serialize;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

/// The target of its lines where they go to the ordinary log, which never leaves them out for being many.
pub(super) const TARGET: &str = "sessiond::audit";

/// Where the lines go. Clones share it.
#[derive(Clone, Debug)]
pub struct AuditLog(Option<AuditFile>);

/// One line. What is not known or does not apply is left out.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl AuditLog {
    /// The lines go to the ordinary log.
    #[must_use]
    pub fn in_log() -> Self {
        Self(None)
    }

    /// The lines are added to this file, which is made if it is not there.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn open(path: &Path) -> Result<Self, String> {
        AuditFile::open(path).map(Some).map(Self)
    }

    /// Opens the file again at each `SIGHUP`, for as long as the result is kept: whoever has renamed it wants a new one.
    pub(crate) fn reopen_at_hangup(&self) -> io::Result<Option<AbortOnDropHandle<()>>> {
        self.0.as_ref().map(AuditFile::reopen_at_hangup).transpose()
    }

    /// How many lines could not be written to the file; `None` without a file.
    pub(crate) fn failures(&self) -> Option<u64> {
        self.0.as_ref().map(AuditFile::failures)
    }

    /// What decides about calls was read again and holds now, unless there is a problem with it.
    pub(crate) fn renewed(&self, what: &'static str, problem: Option<&dyn Display>) {
        let problem = problem.map(ToString::to_string);
        let event = if problem.is_none() { "renewed" } else { "not renewed" };
        self.tell(Line { event, what: Some(what), problem, ..Line::default() });
    }

    pub(super) fn begun(&self, beginning: &Beginning, peer: &PeerIdentity, notes: &Notes) {
        self.tell(Line { event: "begin", ..Line::of(beginning, peer, notes) });
    }

    pub(super) fn ended(
        &self,
        beginning: &Beginning,
        peer: &PeerIdentity,
        notes: &Notes,
        (code, took): (Code, Duration),
    ) {
        let event = if beginning.rpc.is_stream() { "end" } else { "call" };
        let (code, duration_us) = (Some(code_name(code)), Some(micros(took)));
        self.tell(Line { event, code, duration_us, ..Line::of(beginning, peer, notes) });
    }

    fn tell(&self, mut line: Line<'_>) {
        let Some(file) = &self.0 else {
            line.log();
            return;
        };
        line.time = humantime::format_rfc3339_micros(time_of_day()).to_string();
        // It holds texts and numbers, which are always written.
        if let Ok(mut line) = serde_json::to_string(&line).map(|line| escape_controls(&line)) {
            line.push('\n');
            file.write(line);
        }
    }

    pub(super) fn finish(&self, within: Duration) {
        if let Some(file) = &self.0 {
            file.finish(within);
        }
    }
}

impl<'a> Line<'a> {
    fn of(beginning: &Beginning, peer: &PeerIdentity, notes: &'a Notes) -> Self {
        Self {
            method: Some(beginning.rpc.name()),
            lane: Some(beginning.lane.name()),
            caller: notes.caller.as_deref(),
            peer: Some(peer.to_string()),
            namespace: notes.namespace.as_deref(),
            scope: notes.scope,
            principal: notes.principal.as_deref(),
            handle: notes.handle.map(|handle| handle.to_string()),
            sessions: notes.sessions,
            events: notes.events,
            bytes: notes.bytes,
            ..Self::default()
        }
    }

    /// Writes it to the ordinary log, which adds the time.
    fn log(&self) {
        let Self { event, method, lane, caller, namespace, scope, principal, sessions, events, bytes, .. } = self;
        let Self { code, duration_us, what, .. } = self;
        let (peer, handle, problem) = (self.peer.as_deref(), self.handle.as_deref(), self.problem.as_deref());
        tracing::info!(
            target: TARGET, method, lane, caller, peer, namespace, scope, principal, handle, sessions, events, bytes, code,
            duration_us, what, problem, "{event}"
        );
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
