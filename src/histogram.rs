//! How often values fell into each of a few ranges, and their sum.

/// Upper bounds of durations, in nanoseconds: from what memory answers to what a disk in trouble takes.
pub const DURATIONS: [u64; 15] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// Upper bounds of the size of a group of transactions.
pub const GROUP_SIZES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// Counts of values. Values above the last bound are in one more range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Vec<u64>,
    sum: u64,
}

impl Histogram {
    /// No values yet, in ranges with these upper bounds, the smallest first.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        self.counts[range_of(self.bounds, value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Counts values that were counted elsewhere by the same ranges.
    pub fn add_counted(&mut self, counts: impl IntoIterator<Item = u64>, sum: u64) {
        self.counts.iter_mut().zip(counts).for_each(|(count, more)| *count += more);
        self.sum = self.sum.saturating_add(sum);
    }

    /// The upper bound of each range with the count of it; `None` is the range that has no bound.
    pub fn ranges(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().copied())
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of the values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

/// The range of a value: that of the first bound that is not below it. Most values are small, so the search begins there.
#[must_use]
pub fn range_of(bounds: &[u64], value: u64) -> usize {
    bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_range() {
        let mut sizes = Histogram::new(&GROUP_SIZES);
        for size in [1, 2, 3, 4, 1_024, 1_025, 5_000] {
            sizes.add(size);
        }
        let ranges: Vec<_> = sizes.ranges().filter(|(_, count)| *count > 0).collect();
        assert_eq!(ranges, [(Some(1), 1), (Some(2), 1), (Some(4), 2), (Some(1_024), 1), (None, 2)]);
        assert_eq!((sizes.count(), sizes.sum()), (7, 7_059));
    }
}
