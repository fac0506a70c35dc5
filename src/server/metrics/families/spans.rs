//! Metrics of the spans of traced calls. They are there if spans are sent.

use super::Families;
use crate::call_record::SpanCounts;
use std::fmt;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, counts: SpanCounts) -> fmt::Result {
    families.counter("sessiond_spans_exported", "Spans that the collector has taken.", counts.exported)?;
    families.counter(
        "sessiond_spans_dropped",
        "Spans that are lost, because the collector did not take them or too many were waiting.",
        counts.dropped,
    )
}
