//! What was measured: latencies, and errors by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer latencies count as this one, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// So many kinds of errors are counted separately; all others count as one.
const KINDS: usize = 20;

/// Operations that were counted. Its size does not depend on their number.
#[derive(Clone, Debug)]
pub(super) struct Measurements {
    /// The latencies of operations that succeeded, in nanoseconds, each within a thousandth.
    pub(super) latencies: Histogram<u64>,
    /// How often each error occurred, by its text.
    pub(super) errors: BTreeMap<String, u64>,
    /// The error that occurred first.
    pub(super) first_error: Option<String>,
}

impl Measurements {
    /// Nothing yet; an error if there is no memory for it.
    pub(super) fn new() -> Result<Self, String> {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| error.to_string())?;
        Ok(Self { latencies, errors: BTreeMap::new(), first_error: None })
    }

    pub(super) fn succeeded(&mut self, latency: Duration) {
        self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST).max(1));
    }

    pub(super) fn failed(&mut self, error: &str) {
        self.count(error, 1);
        if self.first_error.is_none() {
            self.first_error = Some(error.to_owned());
        }
    }

    fn count(&mut self, error: &str, times: u64) {
        if let Some(count) = self.errors.get_mut(error) {
            *count += times;
        } else {
            let kind = if self.errors.len() < KINDS { error } else { "others" };
            *self.errors.entry(kind.to_owned()).or_default() += times;
        }
    }

    /// Adds what another counted at the same time.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), String> {
        self.latencies.add(&other.latencies).map_err(|error| error.to_string())?;
        for (error, times) in &other.errors {
            self.count(error, *times);
        }
        self.first_error = self.first_error.take().or_else(|| other.first_error.clone());
        Ok(())
    }

    /// Operations that succeeded.
    pub(super) fn operations(&self) -> u64 {
        self.latencies.len()
    }

    /// Operations that failed.
    pub(super) fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The latency that so many percent of the operations did not exceed; zero if there were none.
    pub(super) fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.latencies.value_at_percentile(percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_add_up() {
        let (mut one, mut other) = (Measurements::new().expect("memory"), Measurements::new().expect("memory"));
        for micros in 1..=99 {
            one.succeeded(Duration::from_micros(micros));
        }
        other.succeeded(Duration::from_secs(7_200));
        other.failed("full");
        one.add(&other).expect("the same bounds");
        assert_eq!((one.operations(), one.failures(), one.first_error.as_deref()), (100, 1, Some("full")));
        let within = |percent: f64, expected: Duration| {
            let ratio = one.percentile(percent).as_secs_f64() / expected.as_secs_f64();
            assert!((0.999..=1.001).contains(&ratio), "{percent}: {ratio}");
        };
        within(50.0, Duration::from_micros(50));
        within(100.0, Duration::from_secs(3_600));
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let mut measurements = Measurements::new().expect("memory");
        for number in 0..1_000 {
            measurements.failed(&number.to_string());
        }
        assert_eq!((measurements.failures(), measurements.errors.len()), (1_000, KINDS + 1));
    }
}
