//! Sequence gaps: sequence numbers that no event has.
//!
//! A history that was restored from a backup goes on far behind the backup's last sequence number. The saved server may
//! have sent more events since the backup, and so may another server that was restored from it. A watcher of one of
//! those servers that comes here has a resume token inside the sequence gap, and learns that it can't go on from there.

use crate::model::fill_random;

/// The least length of a sequence gap. A server does not use so many numbers after a backup, even with millions of
/// events a second for days.
const LEAST: u64 = 1 << 40;

/// A range of sequence numbers that no event of this history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceGap {
    /// The last number before it.
    pub after: u64,
    /// Its last number.
    pub through: u64,
}

impl SequenceGap {
    /// A sequence gap behind this number. Its least length puts its end behind all numbers that the saved server may
    /// have used. Its random length sets it apart from the gaps of other restored servers.
    #[must_use]
    pub fn behind(last: u64) -> Self {
        let mut random = [0; 8];
        fill_random(&mut random);
        let length = LEAST + u64::from_be_bytes(random) % LEAST;
        Self { after: last, through: last.saturating_add(length) }
    }

    /// Whether a sequence number lies in it.
    #[must_use]
    pub fn contains(&self, sequence: u64) -> bool {
        self.after < sequence && sequence <= self.through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_leaves_room_for_both_sides() {
        let (one, other) = (SequenceGap::behind(7), SequenceGap::behind(7));
        assert!(!one.contains(7) && one.contains(8) && one.contains(7 + LEAST));
        assert!(one.contains(one.through) && !one.contains(one.through + 1));
        assert_ne!(one.through, other.through);
    }
}
