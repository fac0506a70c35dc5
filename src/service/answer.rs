//! From records to answers.

use crate::clock::Millis;
use crate::model::Record;
use crate::proto::Session;
use prost_types::{Duration, Timestamp};

/// The session with its attributes.
pub(super) fn session(record: Record) -> Session {
    let attributes = record.attributes.iter().map(|attribute| attribute.entry().clone()).collect();
    Session { attributes, ..session_without_attributes(record) }
}

/// The session for callers who know its attributes.
pub(super) fn session_without_attributes(record: Record) -> Session {
    let expires_at = record.expires_at();
    Session {
        handle: record.handle.to_string(),
        namespace: record.namespace,
        version: record.version,
        attributes: Vec::new(),
        principal: record.principal,
        labels: record.labels.into_iter().collect(),
        create_time: Some(timestamp(record.created)),
        last_access_time: Some(timestamp(record.accessed)),
        update_time: Some(timestamp(record.updated)),
        idle_timeout: Some(duration(record.idle_timeout)),
        absolute_expire_time: record.ends_at.map(timestamp),
        expire_time: Some(timestamp(expires_at)),
    }
}

pub(super) fn timestamp(moment: Millis) -> Timestamp {
    let (seconds, nanos) = split(moment);
    Timestamp { seconds, nanos }
}

pub(super) fn duration(length: Millis) -> Duration {
    let (seconds, nanos) = split(length);
    Duration { seconds, nanos }
}

fn split(millis: Millis) -> (i64, i32) {
    let seconds = i64::try_from(millis / 1_000).expect("a u64 divided by 1,000 fits");
    let nanos = i32::try_from(millis % 1_000).expect("below 1,000") * 1_000_000;
    (seconds, nanos)
}
