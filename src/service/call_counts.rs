//! Counts of calls: how many there were, how they ended and how long they took.
//!
//! Each worker, and the console, has counts of its own, so that counting a call moves no cache line between cores and takes no lock. Whoever
//! reads adds them up.

use crate::histogram::{DURATIONS, Histogram, range_of};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::Code;

/// The methods that can be called, by the names that the contract gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract describes them")]
pub enum Rpc {
    CreateSession,
    GetSession,
    UpdateSession,
    TouchSession,
    RotateSession,
    DeleteSession,
    BatchGetSessions,
    BatchDeleteSessions,
    ListSessions,
    CountSessions,
    RevokeSessions,
    WatchSessions,
    LockSession,
    UnlockSession,
    IssueHandoff,
    RedeemHandoff,
    IssueCsrfToken,
    VerifyCsrfToken,
    Exchange,
    GetStatistics,
    SweepNow,
    Verify,
    Backup,
    Restore,
    HealthCheck,
    HealthWatch,
    Other,
}

const RPCS: usize = Rpc::ALL.len();

/// The codes of gRPC are numbered from 0.
const CODES: usize = 17;

/// How a call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// As a request of its own.
    Unary,
    /// In a message of an exchange stream.
    Stream,
    /// From the page of the web console.
    Console,
}

impl Lane {
    /// The name in metrics and log lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::Console => "console",
        }
    }
}

/// The counts of one worker.
#[derive(Debug)]
pub struct CallCounts {
    unary: [Counts; RPCS],
    stream: [Counts; RPCS],
}

/// The calls of one method. No other worker's counts are on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    codes: [AtomicU64; CODES],
    durations: [AtomicU64; DURATIONS.len() + 1],
    nanos: AtomicU64,
}

/// What all workers counted of one method.
#[derive(Clone, Debug)]
pub struct CallTotals {
    /// How the calls came.
    pub lane: Lane,
    /// The method.
    pub rpc: Rpc,
    /// How many ended with each code, by its number.
    pub codes: [u64; CODES],
    /// How long they took, in nanoseconds; nothing for those that last as long as the caller likes.
    pub durations: Histogram,
}

impl Rpc {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::CreateSession,
        Self::GetSession,
        Self::UpdateSession,
        Self::TouchSession,
        Self::RotateSession,
        Self::DeleteSession,
        Self::BatchGetSessions,
        Self::BatchDeleteSessions,
        Self::ListSessions,
        Self::CountSessions,
        Self::RevokeSessions,
        Self::WatchSessions,
        Self::LockSession,
        Self::UnlockSession,
        Self::IssueHandoff,
        Self::RedeemHandoff,
        Self::IssueCsrfToken,
        Self::VerifyCsrfToken,
        Self::Exchange,
        Self::GetStatistics,
        Self::SweepNow,
        Self::Verify,
        Self::Backup,
        Self::Restore,
        Self::HealthCheck,
        Self::HealthWatch,
        Self::Other,
    ];

    /// The name in metrics. That of a method of the contract is its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateSession => "CreateSession",
            Self::GetSession => "GetSession",
            Self::UpdateSession => "UpdateSession",
            Self::TouchSession => "TouchSession",
            Self::RotateSession => "RotateSession",
            Self::DeleteSession => "DeleteSession",
            Self::BatchGetSessions => "BatchGetSessions",
            Self::BatchDeleteSessions => "BatchDeleteSessions",
            Self::ListSessions => "ListSessions",
            Self::CountSessions => "CountSessions",
            Self::RevokeSessions => "RevokeSessions",
            Self::WatchSessions => "WatchSessions",
            Self::LockSession => "LockSession",
            Self::UnlockSession => "UnlockSession",
            Self::IssueHandoff => "IssueHandoff",
            Self::RedeemHandoff => "RedeemHandoff",
            Self::IssueCsrfToken => "IssueCsrfToken",
            Self::VerifyCsrfToken => "VerifyCsrfToken",
            Self::Exchange => "Exchange",
            Self::GetStatistics => "GetStatistics",
            Self::SweepNow => "SweepNow",
            Self::Verify => "Verify",
            Self::Backup => "Backup",
            Self::Restore => "Restore",
            Self::HealthCheck => "HealthCheck",
            Self::HealthWatch => "HealthWatch",
            Self::Other => "other",
        }
    }

    /// Whether a call lasts for as long as its caller likes, because one side sends a stream.
    #[must_use]
    pub fn is_stream(self) -> bool {
        // Reflection, which is among the others, is a stream too.
        matches!(
            self,
            Self::WatchSessions
                | Self::Exchange
                | Self::Verify
                | Self::Backup
                | Self::Restore
                | Self::HealthWatch
                | Self::Other
        )
    }

    /// Whether each call is an administrative one, which the audit log tells of.
    #[must_use]
    pub fn is_administrative(self) -> bool {
        matches!(
            self,
            Self::RevokeSessions | Self::WatchSessions | Self::SweepNow | Self::Verify | Self::Backup | Self::Restore
        )
    }

    /// Whether a call is an administrative one if it is about a whole namespace, or about a session that it names by its handle.
    #[must_use]
    pub fn may_be_administrative(self) -> bool {
        self.is_administrative() || matches!(self, Self::ListSessions | Self::CountSessions | Self::DeleteSession)
    }

    /// Whether an exchange stream can carry it.
    #[must_use]
    pub fn is_in_exchange(self) -> bool {
        matches!(
            self,
            Self::CreateSession
                | Self::GetSession
                | Self::UpdateSession
                | Self::TouchSession
                | Self::RotateSession
                | Self::DeleteSession
                | Self::Other
        )
    }
}

impl Default for CallCounts {
    fn default() -> Self {
        let counts = || std::array::from_fn(|_| Counts::default());
        Self { unary: counts(), stream: counts() }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            codes: [const { AtomicU64::new(0) }; CODES],
            durations: [const { AtomicU64::new(0) }; DURATIONS.len() + 1],
            nanos: AtomicU64::new(0),
        }
    }
}

impl CallCounts {
    /// Counts a call that has ended, with its duration.
    pub fn count(&self, lane: Lane, rpc: Rpc, code: Code, took: Duration) {
        let counts = &self.of(lane)[rpc as usize];
        counts.codes[code as usize].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counts.durations[range_of(&DURATIONS, nanos)].fetch_add(1, Ordering::Relaxed);
        counts.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Counts a stream that has ended.
    pub fn count_stream(&self, rpc: Rpc, code: Code) {
        self.unary[rpc as usize].codes[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, lane: Lane) -> &[Counts; RPCS] {
        match lane {
            // The console has counts of its own, in which there are no others.
            Lane::Unary | Lane::Console => &self.unary,
            Lane::Stream => &self.stream,
        }
    }
}

impl CallTotals {
    /// Adds up what the workers counted of one method.
    pub fn of<'a>(workers: impl IntoIterator<Item = &'a CallCounts>, lane: Lane, rpc: Rpc) -> Self {
        let mut totals = Self { lane, rpc, codes: [0; CODES], durations: Histogram::new(&DURATIONS) };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for worker in workers {
            let counts = &worker.of(lane)[rpc as usize];
            totals.codes.iter_mut().zip(&counts.codes).for_each(|(total, code)| *total += read(code));
            totals.durations.add_counted(counts.durations.iter().map(read), read(&counts.nanos));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_workers_add_up() {
        let workers: Vec<CallCounts> = (0..3).map(|_| CallCounts::default()).collect();
        for worker in &workers {
            worker.count(Lane::Unary, Rpc::GetSession, Code::Ok, Duration::from_micros(60));
            worker.count(Lane::Stream, Rpc::GetSession, Code::NotFound, Duration::from_secs(60));
            worker.count_stream(Rpc::Exchange, Code::Cancelled);
        }
        let unary = CallTotals::of(&workers, Lane::Unary, Rpc::GetSession);
        assert_eq!((unary.codes[Code::Ok as usize], unary.codes[Code::NotFound as usize]), (3, 0));
        assert_eq!((unary.durations.count(), unary.durations.sum()), (3, 180_000));
        let stream = CallTotals::of(&workers, Lane::Stream, Rpc::GetSession);
        assert_eq!(stream.durations.ranges().last(), Some((None, 3)));
        let exchange = CallTotals::of(&workers, Lane::Unary, Rpc::Exchange);
        assert_eq!((exchange.codes[Code::Cancelled as usize], exchange.durations.count()), (3, 0));
    }

    #[test]
    fn each_method_has_its_place_and_its_name() {
        for (place, rpc) in Rpc::ALL.into_iter().enumerate() {
            assert_eq!(rpc as usize, place, "{rpc:?}");
            assert!(Rpc::ALL[..place].iter().all(|other| other.name() != rpc.name()), "{rpc:?}");
        }
    }
}
