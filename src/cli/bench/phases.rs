//! The phases of a bench on one server: create the sessions, load the server, end the sessions.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::bulk;
use super::idle::Idle;
use super::load::{Loaded, load};
use super::measurements::Measurements;
use super::settings::Settings;
use super::target::Target;
use super::values::Values;
use super::visitor::Crowd;

/// What Ctrl-C ends: first the load, and when it is pressed again, the cleaning up too.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    pub(super) load: CancellationToken,
    pub(super) cleaning: CancellationToken,
}

/// What was measured on one server.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) server: String,
    pub(super) loaded: Loaded,
    /// By how much each idle connection made the server grow; `None` without such connections.
    pub(super) idle_connection_bytes: Option<u64>,
    /// Why sessions were left behind that should not have been.
    pub(super) left_behind: Option<String>,
}

impl Measured {
    pub(super) fn measurements(&self) -> &Measurements {
        &self.loaded.measurements
    }

    /// How the server went away, if it did.
    pub(super) fn lost(&self) -> Option<String> {
        let cause = self.loaded.lost.as_ref()?;
        let after = self.loaded.elapsed.as_secs_f64();
        Some(format!("stopped after {after:.1} s of measuring because {} went away: {cause}", self.server))
    }
}

/// Runs a bench on one server.
pub(super) async fn run<T: Target>(
    target: T,
    settings: &Arc<Settings>,
    interrupt: &Interrupt,
) -> Result<Measured, String> {
    let target = Arc::new(target);
    let values = Values::new(&settings.sizes, settings.seed);
    // Before there are sessions: the server's background work for them would count for the connections.
    let idle = Idle::open(&target, settings.idle_connections).await?;
    let mut sessions = Arc::new(Vec::new());
    let mut failure = None;
    if settings.workload.is_preloaded() {
        let made = bulk::make(&target, settings, values.clone(), &interrupt.load).await?;
        sessions = Arc::new(made.sessions);
        failure = made.failure;
    }
    let crowd = Arc::new(Crowd::new(settings.workload, settings.seed, values, Arc::clone(&sessions)));
    let loaded = if let Some(failure) = failure {
        Err(format!("creating the sessions failed after {}: {failure}", sessions.len()))
    } else if interrupt.load.is_cancelled() {
        Err("interrupted before anything was measured".to_owned())
    } else {
        load(&target, settings, &interrupt.load, &crowd).await
    };
    let idle_connection_bytes = idle.bytes_each;
    drop((crowd, idle));
    let mut sessions = Arc::unwrap_or_clone(sessions);
    let loaded = loaded.map(|(loaded, own)| {
        sessions.extend(own);
        loaded
    });
    let left_behind = if settings.keep { None } else { clean(&target, settings, sessions, &interrupt.cleaning).await };
    match (loaded, left_behind) {
        (Ok(loaded), left_behind) => {
            Ok(Measured { server: target.name().to_owned(), loaded, idle_connection_bytes, left_behind })
        }
        (Err(failure), None) => Err(failure),
        (Err(failure), Some(left_behind)) => Err(format!("{failure}; {left_behind}")),
    }
}

/// Ends sessions. Returns why some were left behind, if any were.
async fn clean<T: Target>(
    target: &Arc<T>,
    settings: &Settings,
    sessions: Vec<String>,
    stop: &CancellationToken,
) -> Option<String> {
    let ended = bulk::end(target, settings, Arc::new(sessions), stop).await;
    let reason = match ended {
        Ok(done) if done.failure.is_none() && stop.is_cancelled() => Some("interrupted".to_owned()),
        Ok(done) => done.failure,
        Err(failure) => Some(failure),
    };
    reason.map(|reason| format!("some sessions of the bench are left and expire within an hour: {reason}"))
}
