//! Sequence gaps: gaps in the numbers of events.
//!
//! A history that was restored from a backup goes on far behind the last number in the backup: the server that was saved may
//! have told of more events since, and so may another server that was restored from the same backup. Whoever watched one of
//! those and comes here stands in the gap, and learns that there is no going on from there.

use crate::model::fill_random;

/// Numbers that a server is not going to use between a backup and its end, be it millions of events a second for days.
const LEAST: u64 = 1 << 40;

/// Sequence numbers that no event of this history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceGap {
    /// The last number before it.
    pub after: u64,
    /// Its last number.
    pub through: u64,
}

impl SequenceGap {
    /// A gap behind this number. It is long enough that what is numbered from its end on has numbers of its own: by its
    /// least length it is behind all that the saved server may have used, by a random one apart from other restored ones.
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
