//! The background task that writes touches back and sweeps.

use super::{Error, HistoryBounds, Sessions};
use crate::clock::Millis;
use crate::engine::{EngineError, Expected};
use crate::model::Handle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// Touches written in one transaction, at most: a write of a request waits for no more than these.
const TOUCHES_PER_TRANSACTION: usize = 512;

/// How often the history is trimmed, idle locks are forgotten and the rates are sampled.
const CLEANING_INTERVAL: Duration = Duration::from_secs(1);

/// How often what is done.
#[derive(Clone, Copy, Debug)]
pub struct UpkeepOptions {
    /// How often touches are written back.
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
pub struct Upkeep {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Upkeep {
    /// Starts the task on the current tokio runtime.
    #[must_use]
    pub fn start(sessions: Sessions, options: UpkeepOptions) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(sessions, options, stopped)) }
    }

    /// Ends the task after it has written the last touches back.
    pub async fn stop(self) {
        // A task that ended by itself needs no telling.
        self.stop.send(()).ok();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "upkeep ended badly");
        }
    }
}

async fn run(sessions: Sessions, options: UpkeepOptions, mut stopped: oneshot::Receiver<()>) {
    let rebound = sessions.rebound();
    tokio::pin!(rebound);
    let mut rebounding = true;
    let mut touches = timer(options.touch_interval);
    let mut sweeping = timer(options.sweep_interval);
    let mut cleaning = timer(CLEANING_INTERVAL);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            result = &mut rebound, if rebounding => {
                rebounding = false;
                if let Err(error) = result {
                    tracing::warn!(%error, "holding old sessions to the policies failed; what has ended is swept later");
                }
            }
            _ = touches.tick() => write_touches(&sessions).await,
            _ = cleaning.tick() => {
                sessions.tally.sample();
                sessions.locks.purge();
                if let Err(error) = sessions.trim_history(options.history).await {
                    tracing::warn!(%error, "trimming the history of events failed; trying again later");
                }
            }
            // One batch at a turn, so that a million sessions that end at once don't hold up the rest.
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
        tracing::warn!(%error, "writing touches back failed; trying again later");
    }
}

impl Sessions {
    /// Writes the touches that are only in memory beside their records.
    pub async fn write_touches(&self) -> Result<(), Error> {
        let mut pending: Vec<(Handle, Millis)> = self.touches.pending().flatten().collect();
        // Neighbours share a page on disk, which is then written once for many of them.
        pending.sort_unstable();
        for notes in pending.chunks(TOUCHES_PER_TRANSACTION) {
            self.write_notes(notes).await?;
            self.touches.written(notes);
        }
        Ok(())
    }

    async fn write_notes(&self, notes: &[(Handle, Millis)]) -> Result<(), Error> {
        let handles: Vec<Handle> = notes.iter().map(|(handle, _)| *handle).collect();
        self.transact(|draft| {
            draft.view().expect(Expected::Sessions(&handles))?;
            for (handle, at) in notes {
                // The session may have been deleted or updated since it was touched.
                match draft.view().record(*handle) {
                    Ok(Some(record)) if record.accessed < *at => draft.touch(*handle, *at),
                    Ok(_) | Err(EngineError::Corrupt(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })
        .await
    }
}
