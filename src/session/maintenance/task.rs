//! The background task that does the maintenance, each part of it at its time.

use crate::session::{HistoryBounds, Sessions};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often the history is trimmed, idle locks are forgotten and the rates are sampled.
const CLEANING_INTERVAL: Duration = Duration::from_secs(1);

/// How often each part of the maintenance is done.
#[derive(Clone, Copy, Debug)]
pub struct MaintenanceOptions {
    /// How often touches are written.
    pub touch_interval: Duration,
    /// How often the sweeper looks for expired sessions.
    pub sweep_interval: Duration,
    /// Sessions that the sweeper looks at in one transaction.
    pub sweep_batch: usize,
    /// What part of the history of events is kept.
    pub history: HistoryBounds,
}

/// The running task.
#[derive(Debug)]
pub struct Maintenance {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Maintenance {
    /// Starts the task on the current tokio runtime.
    #[must_use]
    pub fn start(sessions: Sessions, options: MaintenanceOptions) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(sessions, options, stopped)) }
    }

    /// Ends the task after it has written the last touches back.
    pub async fn stop(self) {
        // The task may have ended by itself.
        self.stop.send(()).ok();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "maintenance ended badly");
        }
    }
}

async fn run(sessions: Sessions, options: MaintenanceOptions, mut stopped: oneshot::Receiver<()>) {
    let lowered = sessions.apply_lowered_limits();
    tokio::pin!(lowered);
    let mut lowering = true;
    let mut touches = timer(options.touch_interval);
    let mut sweeping = timer(options.sweep_interval);
    let mut cleaning = timer(CLEANING_INTERVAL);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            result = &mut lowered, if lowering => {
                lowering = false;
                if let Err(error) = result {
                    tracing::warn!(%error, "applying lowered limits failed; the sessions that they end are swept later");
                }
            }
            _ = touches.tick() => write_touches(&sessions).await,
            _ = cleaning.tick() => {
                sessions.counters.sample();
                sessions.locks.purge();
                if let Err(error) = sessions.trim_history(options.history).await {
                    tracing::warn!(%error, "trimming the history of events failed; trying again later");
                }
            }
            // One batch at a time, so that a million sessions that end at once don't hold up the rest.
            _ = sweeping.tick() => if sweep_batch(&sessions, options.sweep_batch).await {
                sweeping.reset_immediately();
            },
        }
    }
    write_touches(&sessions).await;
}

fn timer(period: Duration) -> Interval {
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// Whether there is more to sweep at once.
async fn sweep_batch(sessions: &Sessions, batch: usize) -> bool {
    let began = Instant::now();
    match sessions.sweep(batch).await {
        Ok(swept) => {
            if swept.removed > 0 {
                tracing::debug!(removed = swept.removed, "swept expired sessions");
            }
            // Requests get at least half of the writer's time.
            tokio::time::sleep(began.elapsed()).await;
            swept.looked_at == batch
        }
        Err(error) => {
            tracing::warn!(%error, "sweeping failed; trying again later");
            false
        }
    }
}

async fn write_touches(sessions: &Sessions) {
    if let Err(error) = sessions.write_touches().await {
        tracing::warn!(%error, "writing touches failed; trying again later");
    }
}
