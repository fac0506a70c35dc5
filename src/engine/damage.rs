//! Finds where readable data goes on behind damage.

use super::EngineError;

/// The first readable position behind the next damage at or after `damaged`, or `end`. `readable` tells whether the
/// data at a position can be read.
///
/// It takes about two probes for each bit of the distance. Two damaged ranges that lie close together may count as one.
pub(crate) fn place_behind(
    damaged: u128,
    end: u128,
    mut readable: impl FnMut(u128) -> Result<bool, EngineError>,
) -> Result<u128, EngineError> {
    let (mut low, mut step) = (damaged, 1_u128);
    while low < end && readable(low)? {
        low = low.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let mut high = low;
    while high < end && !readable(high)? {
        low = high;
        high = high.saturating_add(step);
        step = step.saturating_mul(2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if readable(middle)? { high = middle } else { low = middle }
    }
    Ok(high.max(damaged.saturating_add(1)).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_behind_damage_is_found_to_the_last_bit() {
        for (from, until) in [(0, 1), (5, 6), (5, 70), (1 << 90, (1 << 90) + 12_345), (7, u128::MAX)] {
            let readable = |place| Ok(!(from..until).contains(&place));
            assert_eq!(place_behind(from, u128::MAX, readable).unwrap(), until);
        }
        assert_eq!(place_behind(3, 9, |_| Ok(false)).unwrap(), 9);
    }

    #[test]
    fn damage_that_begins_later_is_found_too() {
        let readable = |place| Ok(!(100..200).contains(&place));
        assert_eq!(place_behind(0, 1_000, readable).unwrap(), 200);
    }
}
