//! Creating and ending the sessions of a bench, as fast as the server allows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use super::target::{Lane, Operation, Target};
use super::threads::spread;
use super::values::Values;
use crate::cli::output::progress;

/// What came of the work.
pub(super) struct Done {
    /// The sessions that were made.
    pub(super) sessions: Vec<String>,
    /// Why it stopped early, if an operation failed.
    pub(super) failure: Option<String>,
}

/// One operation for each number.
enum Work {
    Make(Values),
    End(Arc<Vec<String>>),
}

impl Work {
    fn operation(&self, number: usize) -> Operation<'_> {
        match self {
            Self::Make(values) => Operation::Create(values.get(number)),
            Self::End(sessions) => Operation::Delete(&sessions[number]),
        }
    }
}

/// What all lanes work on.
struct Pile {
    work: Work,
    count: usize,
    /// The first number that nobody has taken.
    next: AtomicUsize,
    failure: OnceLock<String>,
    stop: CancellationToken,
    bar: ProgressBar,
}

/// Creates the sessions that the load works on. It stops at the first failure.
pub(super) async fn make<T: Target>(
    target: &Arc<T>,
    settings: &Settings,
    values: Values,
    stop: &CancellationToken,
) -> Result<Done, String> {
    let bar = progress::bar("making", "sessions", Some(settings.sessions as u64), settings.quiet);
    work_off(target, settings, Work::Make(values), settings.sessions, stop, bar).await
}

/// Ends sessions. It stops at the first failure.
pub(super) async fn end<T: Target>(
    target: &Arc<T>,
    settings: &Settings,
    sessions: Arc<Vec<String>>,
    stop: &CancellationToken,
) -> Result<Done, String> {
    let count = sessions.len();
    let bar = progress::bar("ending", "sessions", Some(count as u64), settings.quiet);
    work_off(target, settings, Work::End(sessions), count, stop, bar).await
}

async fn work_off<T: Target>(
    target: &Arc<T>,
    settings: &Settings,
    work: Work,
    count: usize,
    stop: &CancellationToken,
    bar: ProgressBar,
) -> Result<Done, String> {
    let (next, failure, stop) = (AtomicUsize::new(0), OnceLock::new(), stop.clone());
    let pile = Arc::new(Pile { work, count, next, failure, stop, bar });
    let (target, shared) = (Arc::clone(target), Arc::clone(&pile));
    let connection = move |_, _| {
        let (lanes, pile) = (target.lanes(), Arc::clone(&shared));
        async move {
            let mut working = JoinSet::new();
            match lanes {
                Ok(lanes) => lanes.into_iter().for_each(|lane| {
                    working.spawn(take_from(Arc::clone(&pile), lane));
                }),
                Err(failure) => drop(pile.failure.set(failure)),
            }
            working.join_all().await.concat()
        }
    };
    let sessions = spread(settings.threads, settings.connections, connection).await?.concat();
    pile.bar.finish_and_clear();
    Ok(Done { sessions, failure: pile.failure.get().cloned() })
}

async fn take_from(pile: Arc<Pile>, mut lane: impl Lane) -> Vec<String> {
    let mut sessions = Vec::new();
    while pile.failure.get().is_none() && !pile.stop.is_cancelled() {
        let first = pile.next.fetch_add(lane.width(), Ordering::Relaxed);
        let end = pile.count.min(first.saturating_add(lane.width()));
        if first >= end {
            break;
        }
        let operations: Vec<_> = (first..end).map(|number| pile.work.operation(number)).collect();
        for outcome in lane.perform(&operations).await {
            match outcome {
                Ok(session) => sessions.extend(session),
                // Only the first is told.
                Err(failure) => drop(pile.failure.set(failure)),
            }
        }
        pile.bar.inc((end - first) as u64);
    }
    sessions
}
