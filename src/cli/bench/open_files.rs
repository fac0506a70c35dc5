//! The limit of open files: every connection is one, and many systems allow a process 1,024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::settings::Settings;
use super::target::RedisSettings;

/// What is open besides connections: standard streams, what the runtimes wake up by, the drawing. More than that, in fact.
const OTHERS: usize = 64;

/// Of each thread of the load, likewise.
const PER_THREAD: usize = 8;

/// Makes sure that all connections can be open at a time, the load's and the idle ones, on the server that needs most.
pub(super) fn allow(settings: &Settings, redis: Option<&RedisSettings>) -> Result<(), String> {
    let each = redis.map_or(1, RedisSettings::sockets);
    let connections = settings.connections * each + settings.idle_connections;
    let needed = (connections + PER_THREAD * settings.threads + OTHERS) as u64;
    let limit = getrlimit(Resource::Nofile);
    match (limit.current, limit.maximum) {
        (None, _) => Ok(()),
        (Some(current), _) if current >= needed => Ok(()),
        (_, Some(maximum)) if maximum < needed => Err(format!(
            "{connections} connections need {needed} open files, but a process may have no more than {maximum} here; raise \
             the hard limit (ulimit -Hn, or LimitNOFILE= of a unit), or take fewer connections"
        )),
        (_, maximum) => {
            let raised = Rlimit { current: maximum.or(Some(needed)), maximum };
            setrlimit(Resource::Nofile, raised)
                .map_err(|error| format!("can't raise the limit of open files to {needed}: {error}"))
        }
    }
}
