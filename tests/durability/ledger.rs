//! The ledger: what real clients know about their sessions, kept outside the server.

use crate::entry::{Finding, Promise};
use crate::history::History;
use crate::worker::Worker;
use crate::worker_notes::{Brief, Tally};
use fastrand::Rng;
use sessiond_client::Client;
use sessiond_client::proto::{CreateSessionRequest, EventKind};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SHARED: usize = 3;

/// The amount of load that the clients make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) workers: usize,
    /// One of so many sessions is large.
    pub(crate) large_every: u8,
}

pub(crate) const MIXED: Style = Style { workers: 6, large_every: 12 };
/// Groups of changes that fill more than a segment of sled's log before they are synced.
pub(crate) const LARGE: Style = Style { workers: 24, large_every: 2 };

/// Counts of what was tried and found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) crashes: usize,
    pub(crate) interrupted_openings: usize,
    pub(crate) in_doubt: usize,
    pub(crate) lost: usize,
    pub(crate) revived: usize,
    pub(crate) wrong: usize,
    /// The longest time between an acknowledgement and the crash that took the change, where the promise allows it.
    pub(crate) lost_age: Duration,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Lost(_) => self.lost += 1,
            Finding::Revived(_) => self.revived += 1,
            Finding::Wrong(_) => self.wrong += 1,
        }
        self.findings.push(finding);
    }
}

/// A session that all workers change. Each changes its own attribute.
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) handle: String,
    pub(crate) version: u64,
}

/// All that clients know.
pub(crate) struct Ledger {
    pub(crate) report: Report,
    pub(crate) tally: Arc<Tally>,
    pub(crate) promise: Promise,
    pub(crate) workers: Vec<Worker>,
    pub(crate) shared: Vec<Shared>,
    pub(crate) history: History,
    pub(crate) marker: u64,
    /// What must have been told of sessions that are gone, by handle.
    pub(crate) closed: HashMap<String, Vec<(EventKind, u64)>>,
    /// Those of them whose creation may be lost, and the events with it.
    pub(crate) perhaps_never_made: HashSet<String>,
    /// IDs that can't open a session from the given moment on.
    pub(crate) dead_ids: Vec<(String, Instant)>,
    /// Those that did not after an earlier crash.
    pub(crate) tried_ids: Vec<String>,
    pub(crate) briefs: Vec<Brief>,
    pub(crate) rng: Rng,
}

/// The running load.
pub(crate) struct Load {
    workers: JoinSet<Worker>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Ledger {
    /// A ledger of a server that has no sessions.
    pub(crate) async fn new(client: &Client, seed: u64, promise: Promise, style: Style) -> Self {
        let tally = Arc::new(Tally::default());
        let mut shared = Vec::new();
        for number in 0..SHARED {
            let tag = format!("shared-session-{number}");
            let request = CreateSessionRequest::new().session_id(format!("id-of-{tag}")).attribute("tag", tag);
            let created = client.create(request).await.unwrap();
            shared.push(Shared { id: created.session_id, handle: created.session.handle, version: 1 });
        }
        Self {
            report: Report::default(),
            promise,
            workers: (0..style.workers)
                .map(|number| Worker::new(number, seed, SHARED, style.large_every, Arc::clone(&tally)))
                .collect(),
            tally,
            shared,
            history: History::default(),
            marker: 0,
            closed: HashMap::new(),
            perhaps_never_made: HashSet::new(),
            dead_ids: Vec::new(),
            tried_ids: Vec::new(),
            briefs: Vec::new(),
            rng: Rng::with_seed(seed),
        }
    }

    /// Changes acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.tally.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets all clients work, each on a connection of its own, until the server is gone.
    pub(crate) async fn begin(&mut self, client: impl Fn() -> Client) -> Load {
        let mut watch = self.history.resume(&client()).await.unwrap();
        let history = self.history.clone();
        let watcher = tokio::spawn(async move {
            history.read_until(&mut watch, |_| false).await;
        });
        let ids = Arc::new(self.shared.iter().map(|shared| shared.id.clone()).collect::<Vec<_>>());
        let mut workers = JoinSet::new();
        for worker in self.workers.drain(..) {
            workers.spawn(worker.work(client(), Arc::clone(&ids)));
        }
        Load { workers, watcher }
    }

    /// Takes note of a crash that happened at this moment.
    pub(crate) async fn end(&mut self, load: Load) {
        self.workers = load.workers.join_all().await;
        self.workers.sort_by_key(|worker| worker.number);
        load.watcher.await.unwrap();
        self.report.crashes += 1;
        for worker in &mut self.workers {
            self.report.in_doubt += worker.in_doubt();
            if let Some(finding) = worker.finding.take() {
                self.report.add(Finding::Wrong(finding));
            }
        }
    }

    /// Fails if anything was found.
    pub(crate) fn judge(&self, name: &str, seed: u64) {
        let findings: Vec<String> = self.report.findings.iter().map(|finding| format!("\n  {finding}")).collect();
        assert!(findings.is_empty(), "{name}, seed {seed}: {self}{}", findings.concat());
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { crashes, interrupted_openings, in_doubt, lost, revived, wrong, lost_age, .. } = &self.report;
        let refused = self.tally.refused.load(Ordering::Relaxed);
        write!(
            formatter,
            "{crashes} crashes under load, {interrupted_openings} while opening; {} calls acknowledged, {refused} refused, \
             {in_doubt} changes in doubt; {lost} lost, {revived} revived, {wrong} otherwise wrong",
            self.acknowledged(),
        )?;
        if let Promise::OlderThan(age) = self.promise {
            write!(formatter, "; changes up to {lost_age:?} before a crash are gone, {age:?} are allowed")?;
        }
        Ok(())
    }
}
