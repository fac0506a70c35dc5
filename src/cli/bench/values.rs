//! The data of sessions.

use std::ops::RangeInclusive;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// So many different values to choose from: few enough to cost little memory.
const COUNT: usize = 32;

/// Data of different sizes, made before the load begins. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Values(Vec<Bytes>);

impl Values {
    /// Random data whose sizes, in bytes, are spread evenly over this range.
    pub(super) fn new(sizes: &RangeInclusive<usize>, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let span = sizes.end() - sizes.start();
        let value = |number: usize| {
            let mut data = vec![0; sizes.start() + span * number / (COUNT - 1)];
            random.fill_bytes(&mut data);
            data.into()
        };
        Self((0..COUNT).map(value).collect())
    }

    /// One of them; any number will do.
    pub(super) fn get(&self, number: usize) -> Bytes {
        self.0[number % COUNT].clone()
    }
}
