//! The load itself, and what is measured meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::measurements::Measurements;
use super::pace::Pace;
use super::settings::Settings;
use super::target::{Lane, Outcome, Target};
use super::threads::spread;
use super::visitor::{Crowd, Visitor};
use crate::cli::output::progress;

/// How long a visitor pauses after a failure, so that a server that refuses at once is not flooded.
const REST: Duration = Duration::from_millis(10);

/// Between two steps of the progress bar.
const STEP: Duration = Duration::from_millis(100);

/// If no operation succeeds for so long while some fail, the server is gone.
const MAX_OUTAGE: Duration = Duration::from_secs(3);

/// What was measured under load.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) measurements: Measurements,
    /// How long was measured, without the warm-up.
    pub(super) elapsed: Duration,
    /// CPU time of the server meanwhile; `None` if it does not tell.
    pub(super) cpu: Option<Duration>,
    /// Resident memory of the server at the end; `None` if it did not answer.
    pub(super) memory_bytes: Option<u64>,
    /// True if it was ended before its time.
    pub(super) interrupted: bool,
    /// Why it was broken off, if the server went away.
    pub(super) lost: Option<String>,
}

/// Loads a server. Returns what was measured, and the sessions that visitors left behind.
pub(super) async fn load<T: Target>(
    target: &Arc<T>,
    settings: &Settings,
    stop: &CancellationToken,
    crowd: &Arc<Crowd>,
) -> Result<(Loaded, Vec<String>), String> {
    let pace = Arc::new(Pace::new(settings.rate));
    let measurements =
        (0..settings.threads).map(|_| Measurements::new().map(Mutex::new)).collect::<Result<Vec<_>, _>>()?;
    let outage = Arc::default();
    let scene = Scene { crowd: Arc::clone(crowd), pace: Arc::clone(&pace), measurements: measurements.into(), outage };
    let keeper = Arc::clone(&pace);
    let keeper = tokio::task::spawn_blocking(move || keeper.keep());
    let visits = spread(settings.threads, settings.connections, {
        let (target, scene) = (Arc::clone(target), scene.clone());
        move |thread, connection| scene.clone().visit(target.lanes(), thread, connection)
    });
    let course = async {
        let early_end = stop.child_token();
        let outage = async {
            let failure = scene.outage.come().await;
            early_end.cancel();
            failure
        };
        let phases = async {
            pass(settings, "warming up", settings.warmup, &early_end).await;
            let before = target.usage().await;
            let from = pace.measure();
            pass(settings, "measuring", settings.duration, &early_end).await;
            let elapsed = from.elapsed();
            let after = target.usage().await;
            pace.end();
            (before, after, elapsed)
        };
        tokio::pin!(phases);
        tokio::select! {
            // An outage that begins near the end can't become long, but then the server does not answer here either.
            measured = &mut phases => {
                let lost = if measured.1.is_err() { scene.outage.cause(Duration::ZERO) } else { None };
                (measured, lost)
            }
            failure = outage => (phases.await, Some(failure)),
        }
    };
    let (visits, ((before, after, elapsed), lost)) = tokio::join!(visits, course);
    // It ends with the pace, and has nothing to tell.
    keeper.await.ok();
    let mut own = Vec::new();
    for sessions in visits? {
        own.extend(sessions?);
    }
    let cpu = before.ok().zip(after.as_ref().ok()).and_then(|(before, after)| after.cpu?.checked_sub(before.cpu?));
    let loaded = Loaded {
        measurements: scene.total()?,
        elapsed,
        cpu,
        memory_bytes: after.ok().map(|usage| usage.memory_bytes),
        interrupted: stop.is_cancelled(),
        lost,
    };
    Ok((loaded, own))
}

/// Waits, and shows how much of the time has passed.
async fn pass(settings: &Settings, verb: &'static str, time: Duration, stop: &CancellationToken) {
    let bar = progress::bar(verb, "seconds", Some(time.as_secs()), settings.quiet);
    let begin = Instant::now();
    let steps = async {
        while begin.elapsed() < time {
            bar.set_position(begin.elapsed().as_secs());
            sleep(STEP.min(time.saturating_sub(begin.elapsed()))).await;
        }
    };
    stop.run_until_cancelled(steps).await;
    bar.finish_and_clear();
}

/// What all visitors share.
#[derive(Clone)]
struct Scene {
    crowd: Arc<Crowd>,
    pace: Arc<Pace>,
    /// One for each thread, so that no thread waits for another.
    measurements: Arc<[Mutex<Measurements>]>,
    outage: Arc<Outage>,
}

/// Operations that fail while none succeeds.
#[derive(Default)]
struct Outage {
    /// Whether there may be an outage, so that nobody takes the lock while all is well.
    is_possible: AtomicBool,
    /// Since when, and what failed first.
    begun: Mutex<Option<(Instant, String)>>,
}

impl Outage {
    fn note(&self, outcomes: &[Outcome]) {
        let failure = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        let failure = failure.filter(|_| outcomes.iter().all(Result::is_err));
        if failure.is_none() && !self.is_possible.load(Ordering::Relaxed) {
            return;
        }
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_possible.store(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(failure) => drop(begun.get_or_insert_with(|| (Instant::now(), failure.clone()))),
            None => *begun = None,
        }
    }

    /// What failed first, if an outage has lasted for so long.
    fn cause(&self, least: Duration) -> Option<String> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.as_ref().filter(|(begun, _)| begun.elapsed() >= least).map(|(_, failure)| failure.clone())
    }

    /// Waits for an outage that is too long; returns what failed first in it.
    async fn come(&self) -> String {
        loop {
            sleep(STEP).await;
            if let Some(failure) = self.cause(MAX_OUTAGE) {
                return failure;
            }
        }
    }
}

impl Scene {
    /// Runs visitors on all lanes of a connection. Returns the sessions that they leave behind.
    async fn visit<L: Lane>(
        self,
        lanes: Result<Vec<L>, String>,
        thread: usize,
        connection: usize,
    ) -> Result<Vec<String>, String> {
        let mut working = JoinSet::new();
        for (number, lane) in lanes?.into_iter().enumerate() {
            let first = ((connection << 32) + number * lane.width()) as u64;
            let visitors = (0..lane.width() as u64).map(|n| Visitor::new(Arc::clone(&self.crowd), first + n)).collect();
            working.spawn(self.clone().drive(lane, visitors, thread));
        }
        Ok(working.join_all().await.concat())
    }

    async fn drive(self, mut lane: impl Lane, mut visitors: Vec<Visitor>, thread: usize) -> Vec<String> {
        let mut due = Vec::with_capacity(visitors.len());
        loop {
            self.pace.take(visitors.len(), &mut due).await;
            if due.is_empty() {
                return visitors.into_iter().filter_map(Visitor::leave).collect();
            }
            let operations: Vec<_> = visitors.iter_mut().take(due.len()).map(Visitor::next).collect();
            let outcomes = lane.perform(&operations).await;
            let now = Instant::now();
            let failed = outcomes.iter().all(Result::is_err);
            self.outage.note(&outcomes);
            {
                let mut measurements = self.measurements[thread].lock().unwrap_or_else(PoisonError::into_inner);
                for (due, outcome) in due.iter().zip(&outcomes).filter(|(due, _)| self.pace.is_measured(**due)) {
                    match outcome {
                        Ok(_) => measurements.succeeded(now.saturating_duration_since(*due)),
                        Err(failure) => measurements.failed(failure),
                    }
                }
            }
            for (visitor, outcome) in visitors.iter_mut().zip(outcomes) {
                visitor.learn(outcome);
            }
            if failed {
                sleep(REST).await;
            }
        }
    }

    fn total(&self) -> Result<Measurements, String> {
        let mut total = Measurements::new()?;
        for measurements in self.measurements.iter() {
            total.add(&measurements.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(total)
    }
}
