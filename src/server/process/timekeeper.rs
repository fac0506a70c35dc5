//! Keeps the time of the sessions: starts it, makes it follow the system's clock, and writes it down for the next start.

use super::storage::Storage;
use crate::clock::{Clock, ClockFile, Millis, RESERVE};
use crate::engine::{Engine, EngineError, View};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// How often the server looks at the system's clock, and how often while it makes up for a step of it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_SOON: Duration = Duration::from_millis(100);

/// The time is written down once no more than this is left of what was written down in advance.
const LEAST_RESERVE: Millis = RESERVE * 2 / 3;

/// How often a server that waits for its clock says so.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// The running task.
pub(in crate::server) struct TimeKeeper {
    stop: oneshot::Sender<()>,
    task: AbortOnDropHandle<()>,
}

impl TimeKeeper {
    /// Begins the time of the sessions in this engine, and keeps it from then on. It waits for as long as the system's
    /// clock is ahead by more than `limit`.
    pub(in crate::server) async fn begin(
        clock: &Clock,
        storage: &Storage,
        engine: &dyn Engine,
        limit: Option<Duration>,
    ) -> Result<Self, EngineError> {
        let mut file = storage.clock_file()?;
        let floor = newest_event(engine).await?;
        let mut reminded = None::<Instant>;
        while let Err(refusal) = clock.begin(file.as_ref().and_then(ClockFile::known), floor, limit) {
            if reminded.is_none_or(|reminded| reminded.elapsed() >= REMIND_EVERY) {
                tracing::error!("waiting for the right time: {refusal}");
                reminded = Some(Instant::now());
            }
            sleep(LOOK_EVERY).await;
        }
        if reminded.is_some() {
            tracing::info!("the system's clock is right now");
        }
        // Before any session is judged by it.
        file = write(file, clock, RESERVE).await;
        let (stop, stopped) = oneshot::channel();
        let task = AbortOnDropHandle::new(tokio::spawn(keep(clock.clone(), file, stopped)));
        Ok(Self { stop, task })
    }

    /// Writes down the time up to which sessions were served. No session may be served after this.
    pub(in crate::server) async fn stop(self) {
        // A task that ended by itself needs no telling.
        self.stop.send(()).ok();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the timekeeper ended badly");
        }
    }
}

async fn keep(clock: Clock, mut file: Option<ClockFile>, mut stopped: oneshot::Receiver<()>) {
    let mut pause = LOOK_EVERY;
    let mut tried = Instant::now();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = sleep(pause) => {}
        }
        let followed = clock.follow();
        pause = if followed.differs { LOOK_SOON } else { LOOK_EVERY };
        let through = file.as_ref().and_then(ClockFile::known).map_or(0, |known| known.through);
        let is_due = through < clock.now() + LEAST_RESERVE;
        // After a failure, which is logged each time, not sooner than that.
        if followed.must_be_written_down || (is_due && tried.elapsed() >= LOOK_EVERY) {
            tried = Instant::now();
            file = write(file, &clock, RESERVE).await;
        }
    }
    write(file, &clock, 0).await;
}

async fn write(file: Option<ClockFile>, clock: &Clock, reserve: Millis) -> Option<ClockFile> {
    let Some(mut file) = file else {
        clock.forget();
        return None;
    };
    let (known, clock) = (clock.known(reserve), clock.clone());
    let written = tokio::task::spawn_blocking(move || {
        match file.write(known.clone()) {
            Ok(()) => clock.written_down(&known),
            Err(error) => tracing::warn!(%error, "the time can't be written down; trying again soon"),
        }
        file
    });
    // It does not panic.
    written.await.ok()
}

/// When the newest event happened, in a folder that may be of an older version or without its file of the time; 0 if
/// there is none or it can't be read.
async fn newest_event(engine: &dyn Engine) -> Result<Millis, EngineError> {
    let mut newest = 0;
    let mut query = |view: &dyn View| {
        let before = view.counts().last_event.saturating_sub(1);
        newest = view.events(before, 1)?.last().map_or(0, |event| event.time);
        Ok(())
    };
    match engine.read(&mut query).await {
        Err(EngineError::Corrupt(_)) | Ok(()) => Ok(newest),
        Err(error) => Err(error),
    }
}
