//! From records to answers. A session is encoded straight from its record, as the contract's `Session` would be (see
//! `build.rs`), so that nothing is copied into a message first.

use crate::clock::Millis;
use crate::model::{Life, Record};
use crate::session::Seen;
use crate::wire::{Numbers, put_bytes, put_number, put_text, put_texts};
use bytes::Bytes;
use prost_types::{Duration, Timestamp};

/// Room for the fields of fixed size: the handle, the version and the times.
const FIXED_BYTES: usize = 160;
/// Room for the key and the length of a field of variable size.
const KEY_BYTES: usize = 12;

/// The session with its attributes.
pub(in crate::service) fn session(record: &Record) -> Bytes {
    encode(record, record.life(), true)
}

/// The session for callers who know its attributes.
pub(in crate::service) fn session_without_attributes(record: &Record) -> Bytes {
    encode(record, record.life(), false)
}

/// A session that was read.
pub(in crate::service) fn seen_session(seen: &Seen, with_attributes: bool) -> Bytes {
    encode(&seen.record, seen.life, with_attributes)
}

pub(in crate::service) fn timestamp(moment: Millis) -> Timestamp {
    let (seconds, nanos) = split(moment);
    Timestamp { seconds: seconds.cast_signed(), nanos }
}

pub(in crate::service) fn duration(length: Millis) -> Duration {
    let (seconds, nanos) = split(length);
    Duration { seconds: seconds.cast_signed(), nanos }
}

/// As any encoder does: field by field in the order of their numbers, without those that have their default.
fn encode(record: &Record, life: Life, with_attributes: bool) -> Bytes {
    let attributes = if with_attributes { record.attributes.fields() } else { &[] };
    let texts = record.namespace.len() + record.principal.len() + 2 * KEY_BYTES;
    let mut session = Vec::with_capacity(FIXED_BYTES + texts + attributes.len());
    put_bytes(1, record.handle.text(&mut [0; 36]).as_bytes(), &mut session);
    put_text(2, &record.namespace, &mut session);
    put_number(3, record.version, &mut session);
    // Field 4.
    session.extend_from_slice(attributes);
    put_text(5, &record.principal, &mut session);
    put_texts(6, &record.labels, &mut session);
    let mut times = Numbers::new();
    put_time(7, record.created, &mut times);
    put_time(8, life.accessed, &mut times);
    put_time(9, record.updated, &mut times);
    put_time(10, life.idle_timeout, &mut times);
    if let Some(end) = life.ends_at {
        put_time(11, end, &mut times);
    }
    put_time(12, life.expires_at(), &mut times);
    session.extend_from_slice(times.encoded());
    put_number(13, record.sealed.is_some().into(), &mut session);
    session.into()
}

/// Puts a timestamp or a duration, which have the same fields.
fn put_time(field: u8, time: Millis, times: &mut Numbers) {
    let (seconds, nanos) = split(time);
    times.put_pair(field, seconds, nanos.cast_unsigned().into());
}

fn split(millis: Millis) -> (u64, i32) {
    let nanos = i32::try_from(millis % 1_000).expect("below 1,000") * 1_000_000;
    (millis / 1_000, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, Attributes, Handle};
    use prost::Message;
    use sessiond_client::proto::Session;
    use smallvec::SmallVec;
    use smol_str::SmolStr;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn record() -> Record {
        Record {
            handle: Handle::mint(1_000),
            namespace: "shop".into(),
            version: 300,
            revision: 4,
            created: 1_700_000_000_001,
            updated: 1_700_000_001_000,
            accessed: 1_700_000_002_345,
            idle_timeout: 60_000,
            ends_at: Some(1_700_000_009_999),
            credentials: SmallVec::new(),
            tickets: Vec::new(),
            principal: "ada".into(),
            labels: BTreeMap::from([("device".into(), "laptop".into()), ("address".into(), String::new())]),
            attributes: [[0x0a, 1, b'a', 0x12, 2, 0x10, 1], [0x0a, 1, b'b', 0x12, 2, 0x10, 0]]
                .map(|entry| Attribute::from_wire(&entry).unwrap())
                .into_iter()
                .collect(),
            sealed: None,
            sweep_at: 0,
        }
    }

    /// What is written is what an encoder of the contract writes of the same session.
    fn read(encoded: &Bytes) -> Session {
        let session = Session::decode(encoded.clone()).unwrap();
        assert_eq!(session.encoded_len(), encoded.len());
        session
    }

    #[test]
    fn a_session_has_every_field_of_its_record() {
        let record = record();
        let read = read(&session(&record));
        let attributes: Vec<&str> = read.attributes.keys().map(String::as_str).collect();
        let mut labels: Vec<_> = read.labels.into_iter().collect();
        labels.sort();
        assert_eq!((read.handle, read.namespace), (record.handle.to_string(), "shop".into()));
        assert_eq!((read.version, read.principal.as_str(), attributes.len()), (300, "ada", 2));
        assert_eq!(labels, [("address".into(), String::new()), ("device".into(), "laptop".into())]);
        assert_eq!(read.create_time, Some(timestamp(1_700_000_000_001)));
        assert_eq!(read.last_access_time, Some(timestamp(1_700_000_002_345)));
        assert_eq!(read.update_time, Some(timestamp(1_700_000_001_000)));
        assert_eq!(read.idle_timeout, Some(duration(60_000)));
        assert_eq!(read.absolute_expire_time, Some(timestamp(1_700_000_009_999)));
        assert_eq!(read.expire_time, Some(timestamp(1_700_000_009_999)));
    }

    #[test]
    fn a_sealed_session_says_so() {
        let sealed = Record { attributes: Attributes::default(), sealed: Some([1, 2, 3][..].into()), ..record() };
        let shown = read(&session(&sealed));
        assert_eq!((shown.sealed, shown.attributes.len(), shown.principal.as_str()), (true, 0, "ada"));
        // What was opened for an answer still says so.
        let opened = Record { sealed: Some(Arc::default()), ..record() };
        let shown = read(&session(&opened));
        assert_eq!((shown.sealed, shown.attributes.len()), (true, 2));
        assert!(!read(&session(&record())).sealed);
    }

    #[test]
    fn what_is_empty_or_left_out_is_not_there() {
        let bare = Record {
            principal: SmolStr::default(),
            labels: BTreeMap::new(),
            attributes: Attributes::default(),
            ends_at: None,
            created: 0,
            ..record()
        };
        assert_eq!(read(&session_without_attributes(&record())).attributes.len(), 0);
        let read = read(&session(&bare));
        assert_eq!((read.principal.as_str(), read.labels.len(), read.absolute_expire_time), ("", 0, None));
        assert_eq!(read.create_time, Some(Timestamp::default()));
    }
}
