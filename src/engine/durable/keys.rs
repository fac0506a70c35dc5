//! The format of keys. Numbers in keys are big-endian, so that keys sort like their numbers.

use super::super::transaction::Due;
use super::super::{EngineError, SequenceGap, codec};
use crate::clock::Millis;
use crate::model::Handle;
use bytes::Bytes;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;

/// The key of a row. Most keys are so short that they need no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(SmallVec<[u8; Self::INLINE_BYTES]>);

impl Key {
    /// Room for a key of the sweeper's index, and for a row in the list of a namespace with a short name.
    const INLINE_BYTES: usize = 24;
}

/// Keys are ordered by their bytes. Most keys differ in their first eight bytes, which are compared as one number: a
/// search in a memtable compares many keys.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let (own, others) = (&self[..], &other[..]);
        match (own.first_chunk::<8>(), others.first_chunk::<8>()) {
            (Some(first), Some(other_first)) if first != other_first => {
                u64::from_be_bytes(*first).cmp(&u64::from_be_bytes(*other_first))
            }
            _ => own.cmp(others),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Self {
        Self(SmallVec::from_slice(key))
    }
}

impl<const N: usize> From<&[u8; N]> for Key {
    fn from(key: &[u8; N]) -> Self {
        key[..].into()
    }
}

impl<const N: usize> From<[u8; N]> for Key {
    fn from(key: [u8; N]) -> Self {
        key[..].into()
    }
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        key[..].into()
    }
}

pub(super) fn read_member_key(key: &[u8]) -> Result<Handle, EngineError> {
    let handle = key.split_last_chunk::<16>().and_then(|(_, handle)| Handle::from_slice(handle));
    handle.ok_or_else(|| codec::corrupt("a member's key"))
}

pub(super) fn due_key(due: Due) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&due.at.to_be_bytes());
    key[8..].copy_from_slice(&due.handle.to_bytes());
    key
}

pub(super) fn read_due_key(key: &[u8]) -> Result<Due, EngineError> {
    let parts = key.split_first_chunk().and_then(|(at, handle)| Some((at, Handle::from_slice(handle)?)));
    let (at, handle) = parts.ok_or_else(|| codec::corrupt("a key of the sweeper's index"))?;
    Ok(Due { at: Millis::from_be_bytes(*at), handle })
}

/// The key in `meta` of the number up to which events were dropped.
pub(super) const DROPPED_THROUGH: &[u8] = b"events-dropped-through";

/// The prefix of the keys of sequence gaps in `meta`, and the first key behind them.
pub(super) const GAP_PREFIX: &[u8] = b"gap-after-";
pub(super) const GAP_PREFIX_END: &[u8] = b"gap-after.";

pub(super) fn gap_key(gap: SequenceGap) -> Vec<u8> {
    [GAP_PREFIX, &gap.after.to_be_bytes()].concat()
}

pub(super) fn read_gap((key, row): &(Key, Bytes)) -> Result<SequenceGap, EngineError> {
    let after = key.strip_prefix(GAP_PREFIX).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
    let through = codec::decode_millis(row.clone())?;
    after.map(|after| SequenceGap { after, through }).ok_or_else(|| codec::corrupt("the key of a gap"))
}

/// The key in `meta` of an index's generation.
pub(super) fn generation_key(name: &str) -> String {
    format!("generation-of-{name}")
}

/// The name in sled of a generation's tree.
pub(super) fn tree_name(name: &str, generation: u64) -> String {
    if generation == 0 { name.into() } else { format!("{name}.{generation}") }
}

pub(super) fn part_key(handle: Handle, revision: u64, part: usize) -> [u8; 28] {
    let mut key = [0; 28];
    key[..16].copy_from_slice(&handle.to_bytes());
    key[16..24].copy_from_slice(&revision.to_be_bytes());
    key[24..].copy_from_slice(&u32::try_from(part).unwrap_or(u32::MAX).to_be_bytes());
    key
}
