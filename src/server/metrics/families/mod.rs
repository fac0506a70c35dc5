//! All metrics. Each is described in `docs/metrics.md`, in the same order.

pub(super) mod access;
pub(super) mod audit;
pub(super) mod calls;
pub(super) mod console;
pub(super) mod process;
pub(super) mod sessions;
pub(super) mod spans;
pub(super) mod storage;
pub(super) mod tls;

use crate::histogram::Histogram;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::time::Duration;

/// Writes metrics, one family after the other.
pub(super) struct Families<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl<'a, 'b> Families<'a, 'b> {
    pub(super) fn new(encoder: &'a mut DescriptorEncoder<'b>) -> Self {
        Self(encoder)
    }

    /// A counter without labels. The name gets `_total` behind it.
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue + Copy) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// A gauge without labels.
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue + Copy) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A histogram without labels.
    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, scale: f64) -> fmt::Result {
        write_histogram(self.0.encode_descriptor(name, help, None, MetricType::Histogram)?, histogram, scale)
    }

    /// Counters that labels tell apart.
    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// Gauges that labels tell apart.
    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Histograms that labels tell apart.
    fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, Histogram)>,
        scale: f64,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        values
            .into_iter()
            .try_for_each(|(labels, histogram)| write_histogram(family.encode_family(&labels)?, &histogram, scale))
    }
}

/// From nanoseconds to the unit of Prometheus.
const SECONDS: f64 = 1e9;

fn write_histogram(mut encoder: MetricEncoder<'_>, histogram: &Histogram, scale: f64) -> fmt::Result {
    let ranges = histogram.ranges();
    let ranges: Vec<_> =
        ranges.map(|(bound, count)| (bound.map_or(f64::INFINITY, |bound| approximate(bound) / scale), count)).collect();
    encoder.encode_histogram::<NoLabelSet>(approximate(histogram.sum()) / scale, histogram.count(), &ranges, None)
}

/// Prometheus has floating-point numbers only.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the last digits don't matter")]
fn approximate(number: u64) -> f64 {
    number as f64
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}
