//! When operations begin: each as soon as the one before has ended, or at fixed times.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How long the thread that keeps a rate sleeps: long enough not to keep a core busy, short enough to notice the end.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
const LONGEST_SLEEP: Duration = Duration::from_millis(10);

/// The pace of a whole load.
pub(super) struct Pace {
    rate: Option<Rate>,
    /// Set when the warm-up is over.
    measured_from: OnceLock<Instant>,
    over: AtomicBool,
}

/// Starts at even distances, handed out in order to whichever visitor is free. If none is free, the start is late but not
/// lost: its latency counts from when it was due. So a server that stalls is charged for the requests that it kept waiting.
struct Rate {
    begin: Instant,
    seconds_between: f64,
    /// Starts that are due and not taken.
    due: Semaphore,
    taken: AtomicU64,
}

impl Pace {
    /// So many operations per second, or one after the other without a pause.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let rate = per_second.map(|per_second| Rate {
            begin: Instant::now(),
            seconds_between: 1.0 / f64::from(per_second),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        });
        Self { rate, measured_from: OnceLock::new(), over: AtomicBool::new(false) }
    }

    /// Waits for the next start, then takes it and all that are due, at most `most`. `due` receives when each was due; it is
    /// empty once the load is over.
    pub(super) async fn take(&self, most: usize, due: &mut Vec<Instant>) {
        due.clear();
        match &self.rate {
            _ if self.is_over() => {}
            None => due.resize(most, Instant::now()),
            Some(rate) => {
                if let Ok(start) = rate.due.acquire().await {
                    start.forget();
                    due.push(rate.take());
                }
                while due.len() < most
                    && let Ok(start) = rate.due.try_acquire()
                {
                    start.forget();
                    due.push(rate.take());
                }
            }
        }
    }

    /// Ends the warm-up: what is due from now on is measured.
    pub(super) fn measure(&self) -> Instant {
        *self.measured_from.get_or_init(Instant::now)
    }

    /// True if an operation that is due at this moment is measured.
    pub(super) fn is_measured(&self, due: Instant) -> bool {
        self.measured_from.get().is_some_and(|from| due >= *from)
    }

    /// Lets no more operations begin.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(rate) = &self.rate {
            rate.due.close();
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Keeps the rate until the load is over. It needs a thread of its own, since a runtime's timers are only exact to the
    /// millisecond.
    pub(super) fn keep(&self) {
        let Some(rate) = &self.rate else { return };
        let mut released = 0;
        while !self.is_over() {
            let due = rate.due_at(Instant::now());
            rate.due.add_permits(due - released);
            released = due;
            let pause = rate.start(released as u64).saturating_duration_since(Instant::now());
            thread::sleep(pause.clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
        }
    }
}

impl Rate {
    fn take(&self) -> Instant {
        self.start(self.taken.fetch_add(1, Ordering::Relaxed))
    }

    #[expect(clippy::cast_precision_loss, reason = "exact for longer than any bench runs")]
    fn start(&self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 * self.seconds_between)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    fn due_at(&self, moment: Instant) -> usize {
        (moment.saturating_duration_since(self.begin).as_secs_f64() / self.seconds_between) as usize + 1
    }
}
