//! From the settings to what the session rules take.

use crate::clock::Millis;
use crate::config::{PolicySettings, Settings};
use crate::session::{HistoryBounds, MaintenanceOptions, Policies, Policy};
use std::time::Duration;

pub(in crate::server) fn policies(settings: &Settings) -> Policies {
    let namespaces = settings.namespaces.iter();
    Policies {
        default: policy(&settings.policy),
        namespaces: namespaces.map(|(name, settings)| (name.clone(), policy(settings))).collect(),
    }
}

fn policy(settings: &PolicySettings) -> Policy {
    Policy {
        idle_timeout: millis(settings.idle_timeout),
        absolute_timeout: settings.absolute_timeout.map(millis),
        max_idle_timeout: millis(settings.max_idle_timeout),
        max_absolute_timeout: settings.max_absolute_timeout.map(millis),
        max_session_bytes: settings.max_session_size,
        max_attributes: settings.max_attributes,
        max_sessions: settings.max_sessions,
        max_sessions_per_principal: settings.max_sessions_per_principal,
        at_session_limit: settings.at_session_limit,
        touch_granularity: millis(settings.touch_granularity),
        max_rotation_grace: millis(settings.max_rotation_grace),
        event_attributes: settings.event_attributes,
        sealed: settings.sealed,
    }
}

pub(in crate::server) fn maintenance_options(settings: &Settings) -> MaintenanceOptions {
    MaintenanceOptions {
        touch_interval: settings.touch_interval,
        sweep_interval: settings.sweep_interval,
        sweep_batch: settings.sweep_batch,
        history: HistoryBounds {
            age: millis(settings.event_history_age),
            count: settings.event_history_count,
            bytes: settings.event_history_size,
        },
    }
}

pub(in crate::server) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
