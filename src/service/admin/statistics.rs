//! What the server holds and has done, in numbers.

use super::AdminService;
use crate::proto::{GetStatisticsResponse, NamespaceStatistics};
use crate::service::convert::answer::{duration, timestamp};
use crate::service::errors::counters::{MET_DAMAGE, REFUSED_FOR_SPACE};
use crate::service::streams::watch::resume_token;
use prost_types::Duration;
use rustix::time::{ClockId, clock_gettime};
use tonic::Status;

/// The statistics name at most so many namespaces.
const MAX_NAMESPACES: usize = 1_000;

impl AdminService {
    pub(super) async fn statistics(&self) -> Result<GetStatisticsResponse, Status> {
        let sessions = self.store.sessions()?;
        let engine = sessions.engine_statistics();
        let counters = sessions.counters();
        let namespaces = engine.sessions.iter().take(MAX_NAMESPACES);
        let namespaces = namespaces
            .map(|(namespace, sessions)| NamespaceStatistics { namespace: namespace.clone(), sessions: *sessions });
        let clock = sessions.clock_agreement();
        Ok(GetStatisticsResponse {
            sessions: engine.sessions.values().sum(),
            namespaces: namespaces.collect(),
            created: counters.created,
            expired: counters.expired,
            created_per_second: counters.created_per_second,
            expired_per_second: counters.expired_per_second,
            disk_bytes: engine.disk_bytes,
            memory_bytes: resident_bytes().unwrap_or(0),
            sweeper_lag: Some(duration(sessions.sweeper_lag().await?)),
            groups: engine.groups,
            grouped_transactions: engine.grouped_transactions,
            largest_group: engine.largest_group,
            start_time: Some(timestamp(self.started)),
            watchers: self.store.watchers() as u64,
            refused_for_space: REFUSED_FOR_SPACE.read(),
            met_damage: MET_DAMAGE.read(),
            storage_stalls: engine.stalls,
            cpu_time: Some(cpu_time()),
            resume_token: resume_token(*sessions.last_event().borrow()),
            events_kept: engine.events,
            clock_steps: clock.steps,
            clock_ahead: Some(signed_duration(clock.ahead)),
            current_time: Some(timestamp(clock.time)),
        })
    }
}

fn signed_duration(millis: i64) -> Duration {
    let length = duration(millis.unsigned_abs());
    if millis < 0 { Duration { seconds: -length.seconds, nanos: -length.nanos } } else { length }
}

/// The resident memory of the process; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// The CPU time of the process, all threads together.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration { seconds: time.tv_sec, nanos: i32::try_from(time.tv_nsec).unwrap_or_default() }
}
