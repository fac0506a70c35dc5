//! In a build that sends no spans.

use super::{EndedCall, SpanCounts, SpanSettingError};
use std::path::Path;
use std::time::Duration;

/// There is none.
#[derive(Clone, Debug)]
pub enum SpanExporter {}

impl SpanExporter {
    /// Refuses.
    ///
    /// # Errors
    /// Always: which build sends spans.
    pub fn start(_: &str, _: Option<&Path>) -> Result<Self, SpanSettingError> {
        let problem = "this build sends no spans; leave it at none, or use a build with the cargo feature otlp, which is on by \
                       default and in the package and the image";
        Err(SpanSettingError { setting: "otlp-endpoint", problem: problem.into() })
    }

    pub(in super::super) fn export(&self, _: EndedCall) {
        match *self {}
    }

    pub(in super::super) fn finish(&self, _: Duration) {
        match *self {}
    }

    pub(crate) fn counts(&self) -> SpanCounts {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_says_which_build_sends_spans() {
        let told = SpanExporter::start("http://127.0.0.1:4317", None).unwrap_err().problem;
        assert!(told.contains("cargo feature otlp") && !told.contains('\n'), "{told}");
    }
}
