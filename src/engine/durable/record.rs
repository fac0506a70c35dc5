//! Reads records from sled's files without sled.

use super::keys::part_key;
use crate::engine::codec::{self, RecordRow};
use crate::model::{Handle, Record};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;

/// The record in a row of `sessions`, joined from `parts` if it is split; `None` if it is damaged.
pub(super) fn read_record(handle: Handle, row: Vec<u8>, parts: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<Record> {
    let record = match codec::decode_row(row.into()).ok()? {
        RecordRow::Whole(record) => *record,
        RecordRow::Split { revision, parts: count } => {
            let mut row = BytesMut::new();
            for part in 0..count {
                let bytes = parts.get(&part_key(handle, revision, part)[..])?;
                row.extend_from_slice(&codec::decode_part(Bytes::copy_from_slice(bytes)).ok()?);
            }
            codec::decode_record(row.freeze()).ok()?
        }
    };
    (record.handle == handle).then_some(record)
}
