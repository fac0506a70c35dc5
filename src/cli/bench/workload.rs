//! What the visitors of a bench do, and on which sessions.

use std::ops::RangeInclusive;

use clap::ValueEnum;

/// A mix of operations. The comments are also the help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Web requests: a read that counts as an access, and an update after one in five
    Web,
    /// Half reads, half updates of 1 KB, as the YCSB benchmark describes a session store
    YcsbA,
    /// Reads and updates 90:10 of 400 to 600 B
    #[value(name = "cache-90-10")]
    Cache90To10,
    /// Reads and updates 80:20 of 400 to 600 B
    #[value(name = "cache-80-20")]
    Cache80To20,
    /// Updates only
    Writes,
    /// Create, rotate with a principal, delete
    Login,
}

impl Workload {
    /// Bytes of a session.
    pub(super) fn sizes(self) -> RangeInclusive<usize> {
        match self {
            Self::Web | Self::Writes | Self::Login => 1024..=1024,
            Self::YcsbA => 1000..=1000,
            Self::Cache90To10 | Self::Cache80To20 => 400..=600,
        }
    }

    /// The exponent of Zipf's law by which sessions are chosen; `None` if all are alike.
    pub(super) fn skew(self) -> Option<f64> {
        match self {
            Self::Web | Self::Writes | Self::Login => None,
            Self::YcsbA | Self::Cache90To10 | Self::Cache80To20 => Some(0.99),
        }
    }

    /// True if it works on sessions that are there before it begins.
    pub(super) fn is_preloaded(self) -> bool {
        self != Self::Login
    }

    /// As on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
