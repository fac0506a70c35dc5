//! What the server holds and has done, in numbers.

use super::AdminService;
use crate::engine::EncryptionStatistics;
use crate::proto::{self, GetStatisticsResponse, NamespaceStatistics};
use crate::service::convert::answer::{duration, timestamp};
use crate::service::errors::counters::{MET_DAMAGE, REFUSED_FOR_SPACE, count_of};
use crate::service::streams::watch::resume_token;
use crate::usage;
use prost_types::Duration;
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
            memory_bytes: usage::resident_bytes().unwrap_or(0),
            sweeper_lag: Some(duration(sessions.sweeper_lag().await?)),
            groups: engine.groups,
            grouped_transactions: engine.grouped_transactions,
            largest_group: engine.largest_group,
            start_time: Some(timestamp(self.started)),
            watchers: self.store.watchers.count() as u64,
            refused_for_space: count_of(REFUSED_FOR_SPACE),
            met_damage: count_of(MET_DAMAGE),
            storage_stalls: engine.stalls,
            cpu_time: usage::cpu_time().try_into().ok(),
            resume_token: resume_token(*sessions.last_event().borrow()),
            events_kept: engine.events,
            clock_steps: clock.steps,
            clock_ahead: Some(signed_duration(clock.ahead)),
            current_time: Some(timestamp(clock.time)),
            encryption: engine.encryption.as_ref().map(encryption),
        })
    }
}

fn encryption(statistics: &EncryptionStatistics) -> proto::EncryptionStatistics {
    proto::EncryptionStatistics {
        key: statistics.key.map(|key| key.to_string()).unwrap_or_default(),
        older_keys: statistics.older_keys.iter().map(ToString::to_string).collect(),
        partly_plain: statistics.is_partly_plain,
        sessions_checked: statistics.sessions_checked,
        sessions_expected: statistics.sessions_expected,
    }
}

fn signed_duration(millis: i64) -> Duration {
    let length = duration(millis.unsigned_abs());
    if millis < 0 { Duration { seconds: -length.seconds, nanos: -length.nanos } } else { length }
}
