//! `sessiond bench`: how much a server can do.
//!
//! [`args`] says what to do, [`phases`] does it on one server, and [`report`] shows the results. A `target` is a server as its
//! connections see it: sessiond, or Redis with the commands that session stores use.

mod args;
mod bulk;
mod idle;
mod load;
mod measurements;
mod pace;
mod phases;
mod report;
mod settings;
mod svg;
mod target;
mod threads;
mod values;
mod visitor;
mod workload;

use std::fs;
use std::io::Write;
use std::sync::Arc;

use tokio::signal::ctrl_c;
use tokio::task::AbortHandle;

pub(crate) use args::BenchArgs;
use phases::{Interrupt, Measured};
use report::Outline;
use settings::Settings;
use target::{Redis, RedisSettings, Sessiond};

use super::output::failure::Failure;
use super::output::report::Report;
use crate::open_files;

impl BenchArgs {
    pub(super) async fn run(self, err: &mut impl Write) -> Result<Report, Failure> {
        let settings = Arc::new(self.settings());
        let redis = self.redis();
        allow_connections(&settings, redis.as_ref()).map_err(Failure::new)?;
        let sessiond = Sessiond::reach(self.sessiond()).await?;
        // Both must be there before either is loaded.
        let redis = match redis {
            Some(redis) => Some(Redis::reach(redis).await.map_err(Failure::new)?),
            None => None,
        };
        let interrupt = Interrupt::default();
        let _listening = Listening::start(interrupt.clone());
        let measured = phases::run(sessiond, &settings, &interrupt).await.map_err(Failure::new)?;
        let against = match redis {
            Some(redis) if !interrupt.load.is_cancelled() && measured.loaded.lost.is_none() => {
                Some(phases::run(redis, &settings, &interrupt).await.map_err(Failure::new)?)
            }
            _ => None,
        };
        for left in [Some(&measured), against.as_ref()].into_iter().flatten().filter_map(|m| m.left_behind.as_ref()) {
            // Standard error may be closed.
            writeln!(err, "{left}").ok();
        }
        if let Some(path) = &self.svg {
            let curves: Vec<&Measured> = [Some(&measured), against.as_ref()].into_iter().flatten().collect();
            let drawn = fs::write(path, svg::draw(&curves, &settings.workload.name()));
            drawn.map_err(|error| Failure::new(format!("can't write {}: {error}", path.display())))?;
        }
        let outline = Outline { lane: self.lane(), namespace: self.namespace() };
        let report = report::report(&outline, &settings, &measured, against.as_ref());
        let lost = [Some(&measured), against.as_ref()].into_iter().flatten().find_map(Measured::lost);
        let problem = match (measured.measurements().operations(), &measured.measurements().first_error) {
            _ if lost.is_some() => lost,
            (0, Some(error)) => Some(format!("every operation failed: {error}")),
            _ => None,
        };
        match problem {
            Some(problem) => Err(Failure { report: Some(Box::new(report)), ..Failure::new(problem) }),
            None => Ok(report),
        }
    }
}

/// Makes sure that all connections, those with load and the idle ones, can be open at a time.
fn allow_connections(settings: &Settings, redis: Option<&RedisSettings>) -> Result<(), String> {
    let each = redis.map_or(1, RedisSettings::sockets);
    let connections = settings.connections * each + settings.idle_connections;
    let needed = open_files::needed(connections as u64, settings.threads);
    match open_files::allow(needed) {
        Ok(allowed) if allowed >= needed => Ok(()),
        Ok(allowed) => Err(format!(
            "{connections} connections need {needed} open files, but a process may have no more than {allowed} here; raise \
             the hard limit (ulimit -Hn, or LimitNOFILE= of a unit), or take fewer connections"
        )),
        Err(error) => Err(format!("can't raise the limit of open files to {needed}: {error}")),
    }
}

/// Listens for Ctrl-C until it is dropped.
struct Listening(AbortHandle);

impl Listening {
    fn start(interrupt: Interrupt) -> Self {
        let task = tokio::spawn(async move {
            for token in [interrupt.load, interrupt.cleaning] {
                // Where there is no such signal, the bench runs to its end.
                if ctrl_c().await.is_ok() {
                    token.cancel();
                }
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}
