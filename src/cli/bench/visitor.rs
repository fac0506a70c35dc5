//! A visitor: which operation comes next, on which session, with which data.

use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};

use super::target::{Operation, Outcome};
use super::values::Values;
use super::workload::Workload;

/// A large prime: multiplying by it moves neighbours apart, and no two sessions to the same place.
const SCATTER: u64 = 2_147_483_647;

/// What all visitors share.
pub(super) struct Crowd {
    workload: Workload,
    seed: u64,
    /// IDs or keys, by number.
    sessions: Arc<Vec<String>>,
    values: Values,
    popularity: Option<Zipf<f64>>,
}

impl Crowd {
    /// Visitors of these sessions.
    pub(super) fn new(workload: Workload, seed: u64, values: Values, sessions: Arc<Vec<String>>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "sessions that fit into memory")]
        let zipf = |skew| Zipf::new(sessions.len().max(1) as f64, skew).ok();
        let popularity = workload.skew().and_then(zipf);
        Self { workload, seed, sessions, values, popularity }
    }
}

/// Does one operation after the other.
pub(super) struct Visitor {
    crowd: Arc<Crowd>,
    random: SmallRng,
    /// The session of the last operation, by its number.
    session: usize,
    /// True if the web request that began with a read goes on with an update.
    updates: bool,
    /// The visitor's own session, and whether it has logged in.
    own: Option<(String, bool)>,
}

impl Visitor {
    /// The visitor of a number; each has choices of its own that are the same in every run.
    pub(super) fn new(crowd: Arc<Crowd>, number: u64) -> Self {
        // Seeds side by side are fine: the generator mixes them.
        let random = SmallRng::seed_from_u64(crowd.seed.wrapping_add(number));
        Self { crowd, random, session: 0, updates: false, own: None }
    }

    /// What it does next.
    pub(super) fn next(&mut self) -> Operation<'_> {
        let value = self.crowd.values.get(self.random.random_range(0..usize::MAX));
        match self.crowd.workload {
            Workload::Web if self.updates => {
                self.updates = false;
                Operation::Write(&self.crowd.sessions[self.session], value)
            }
            Workload::Web => {
                self.updates = self.random.random_ratio(1, 5);
                Operation::Read(self.choose())
            }
            Workload::YcsbA => self.read_or_write(50, value),
            Workload::Cache90To10 => self.read_or_write(10, value),
            Workload::Cache80To20 => self.read_or_write(20, value),
            Workload::Writes => Operation::Write(self.choose(), value),
            Workload::Login => match &self.own {
                None => Operation::Create(value),
                Some((name, false)) => Operation::Rotate(name, value),
                Some((name, true)) => Operation::Delete(name),
            },
        }
    }

    fn read_or_write(&mut self, writes_percent: u32, value: Bytes) -> Operation<'_> {
        if self.random.random_ratio(writes_percent, 100) {
            Operation::Write(self.choose(), value)
        } else {
            Operation::Read(self.choose())
        }
    }

    fn choose(&mut self) -> &str {
        let count = self.crowd.sessions.len();
        self.session = match &self.crowd.popularity {
            None => self.random.random_range(0..count),
            Some(zipf) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to their number")]
                let rank = zipf.sample(&mut self.random) as u64 - 1;
                // The popular sessions must not be those that were created first.
                usize::try_from(rank.wrapping_mul(SCATTER) % count as u64).unwrap_or_default()
            }
        };
        &self.crowd.sessions[self.session]
    }

    /// Takes in what came of its last operation.
    pub(super) fn learn(&mut self, outcome: Outcome) {
        if self.crowd.workload == Workload::Login {
            // After a failure, nobody knows whether the session exists: the visitor begins anew.
            self.own = match (self.own.take(), outcome) {
                (None, Ok(Some(name))) => Some((name, false)),
                (Some((_, false)), Ok(Some(name))) => Some((name, true)),
                _ => None,
            };
        }
    }

    /// The session that it leaves behind.
    pub(super) fn leave(self) -> Option<String> {
        self.own.map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn crowd(workload: Workload) -> Arc<Crowd> {
        let sessions = (0..1000).map(|number| number.to_string()).collect();
        Arc::new(Crowd::new(workload, 7, Values::new(&(400..=600), 7), Arc::new(sessions)))
    }

    /// Reads, writes and how often the session was used that was used most, of 10,000 operations.
    fn counted(workload: Workload) -> (u32, u32, u32) {
        let mut visitor = Visitor::new(crowd(workload), 1);
        let (mut reads, mut writes, mut uses) = (0, 0, BTreeMap::<String, u32>::new());
        for _ in 0..10_000 {
            let name = match visitor.next() {
                Operation::Read(name) => {
                    reads += 1;
                    name.to_owned()
                }
                Operation::Write(name, data) => {
                    assert!((400..=600).contains(&data.len()));
                    writes += 1;
                    name.to_owned()
                }
                _ => panic!("only a log in makes and ends sessions"),
            };
            *uses.entry(name).or_default() += 1;
        }
        (reads, writes, uses.into_values().max().unwrap_or_default())
    }

    #[test]
    fn workloads_mix_as_they_say() {
        let close = |part: u32, percent: u32| part.abs_diff(percent * 100) < 200;
        for (workload, writes_percent) in [
            (Workload::Web, 17),
            (Workload::YcsbA, 50),
            (Workload::Cache90To10, 10),
            (Workload::Cache80To20, 20),
            (Workload::Writes, 100),
        ] {
            let (reads, writes, most) = counted(workload);
            assert!(close(writes, writes_percent) && reads + writes == 10_000, "{workload:?}: {writes} writes");
            // By Zipf's law the first of 1,000 has about an eighth, else each has about ten.
            assert_eq!(most > 500, workload.skew().is_some(), "{workload:?}: {most}");
        }
    }

    #[test]
    fn a_write_in_a_web_request_follows_a_read_of_the_same_session() {
        let mut visitor = Visitor::new(crowd(Workload::Web), 1);
        let mut last = String::new();
        for _ in 0..1_000 {
            match visitor.next() {
                Operation::Read(name) => name.clone_into(&mut last),
                Operation::Write(name, _) => assert_eq!(name, last),
                _ => panic!("only a log in makes and ends sessions"),
            }
        }
    }

    #[test]
    fn a_log_in_begins_anew_after_a_failure() {
        let mut visitor = Visitor::new(crowd(Workload::Login), 1);
        let named = |name: &str| Ok(Some(name.to_owned()));
        assert!(matches!(visitor.next(), Operation::Create(_)));
        visitor.learn(named("a"));
        assert!(matches!(visitor.next(), Operation::Rotate("a", _)));
        visitor.learn(named("b"));
        assert!(matches!(visitor.next(), Operation::Delete("b")));
        visitor.learn(Ok(None));
        assert!(matches!(visitor.next(), Operation::Create(_)));
        visitor.learn(Err("full".to_owned()));
        assert!(matches!(visitor.next(), Operation::Create(_)));
        visitor.learn(named("c"));
        assert_eq!(visitor.leave().as_deref(), Some("c"));
    }
}
