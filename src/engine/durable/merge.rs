//! Merges two sorted sequences, of which one is newer than the other.

use std::iter::Peekable;

/// The order in which keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(super) fn comes_before<K: Ord>(self, one: &K, other: &K) -> bool {
        match self {
            Self::Up => one < other,
            Self::Down => one > other,
        }
    }
}

/// Both sequences as one. Each key comes once: if both have it, the newer one wins.
pub(super) fn merge<K: Ord, V>(
    newer: impl Iterator<Item = (K, V)>,
    older: impl Iterator<Item = (K, V)>,
    direction: Direction,
) -> impl Iterator<Item = (K, V)> {
    Merge { newer: newer.peekable(), older: older.peekable(), direction }
}

struct Merge<N: Iterator, O: Iterator> {
    newer: Peekable<N>,
    older: Peekable<O>,
    direction: Direction,
}

impl<K: Ord, V, N: Iterator<Item = (K, V)>, O: Iterator<Item = (K, V)>> Iterator for Merge<N, O> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match (self.newer.peek(), self.older.peek()) {
            (Some((newer, _)), Some((older, _))) => {
                if self.direction.comes_before(older, newer) {
                    return self.older.next();
                }
                if newer == older {
                    self.older.next();
                }
                self.newer.next()
            }
            (Some(_), None) => self.newer.next(),
            (None, _) => self.older.next(),
        }
    }
}

#[test]
fn each_key_comes_once_and_in_order() {
    let newer = [(1, 'n'), (4, 'n')];
    let older = [(0, 'o'), (1, 'o'), (3, 'o'), (9, 'o')];
    let up: Vec<_> = merge(newer.into_iter(), older.into_iter(), Direction::Up).collect();
    assert_eq!(up, [(0, 'o'), (1, 'n'), (3, 'o'), (4, 'n'), (9, 'o')]);
    let reversed = |items: &[(i32, char)]| items.iter().rev().copied().collect::<Vec<_>>().into_iter();
    let down: Vec<_> = merge(reversed(&newer), reversed(&older), Direction::Down).collect();
    assert_eq!(down, up.into_iter().rev().collect::<Vec<_>>());
}
