//! The clock is thrown about under load: what has ended is never seen again, nothing lives much too long or dies early.

use crate::common::Server;
use crate::common::faketime::FakeTime;
use crate::time::{DAY, restart_machine};
use fastrand::Rng;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, Timeouts};
use sessiond_client::{Client, Error};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const VISITORS: u64 = 24;

/// Idle timeouts in milliseconds.
const IDLE: std::ops::Range<u64> = 200..2_500;

/// The time of sessions is off by a fiftieth at most, of which 4 ms may come at once; and moments are rounded to
/// milliseconds.
const OFF: u32 = 50;
const ROUNDING: Duration = Duration::from_millis(4 + 2);

/// A kill loses the touches of the last 100 ms, and those that were being written: these wait for others that are, and for
/// their turn, each for as long as a change takes on this machine. And it lets the time of sessions go ahead by a fiftieth of the 15 s at most for which it was written down
/// in advance.
const LOST_BY_A_KILL: Duration = Duration::from_millis(100 + 300);

/// For so long a session is looked for that has ended.
const AFTERLIFE: Duration = Duration::from_secs(2);

/// What happens besides steps of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restarts {
    /// The server is killed and started again; the machine goes on.
    OfTheServer,
    /// The machine is restarted, too, so that nobody knows how much time has passed.
    OfTheMachine,
}

#[derive(Debug, Default)]
struct Storm {
    /// Kills that have begun, and those after which the server is up again.
    kills: AtomicU64,
    restarts: AtomicU64,
    /// How long the slowest change took, in milliseconds.
    slowest: AtomicU64,
    is_over: AtomicBool,
    ended: AtomicU64,
    answers: AtomicU64,
}

/// A session as its visitor knows it. Its last access was between two moments.
struct Visit {
    id: String,
    idle: Duration,
    from: Instant,
    to: Instant,
    /// Kills that were over before its last access.
    restarts: u64,
    ended: Option<Instant>,
}

impl Visit {
    async fn begin(client: &Client, rng: &mut Rng, storm: &Storm) -> Option<Self> {
        let idle = Duration::from_millis(rng.u64(IDLE));
        let (restarts, from) = (storm.restarts.load(Ordering::SeqCst), Instant::now());
        let request = CreateSessionRequest::new().timeouts(Timeouts::new().idle(idle));
        let id = client.create(request).await.ok()?.session_id;
        let took = u64::try_from(from.elapsed().as_millis()).unwrap();
        storm.slowest.fetch_max(took, Ordering::SeqCst);
        Some(Self { id, idle, from, to: Instant::now(), restarts, ended: None })
    }

    /// One look at the session; what no visitor should find.
    async fn look(&mut self, client: &Client, is_touch: bool, restarts: Restarts, storm: &Storm) -> Result<(), String> {
        let (restarted, begun) = (storm.restarts.load(Ordering::SeqCst), Instant::now());
        let request = GetSessionRequest::new(&self.id);
        let answer = client.get(if is_touch { request } else { request.peek() }).await;
        let answered = Instant::now();
        storm.answers.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(_) => {
                if let Some(ended) = self.ended {
                    return Err(format!("revived {:?} after it was gone", begun - ended));
                }
                let unused = begun.saturating_duration_since(self.to);
                let most = self.idle + self.idle / (OFF - 1) + ROUNDING;
                if restarts == Restarts::OfTheServer && unused > most {
                    return Err(format!("lives after {unused:?} with an idle timeout of {:?}", self.idle));
                }
                if is_touch {
                    (self.from, self.to, self.restarts) = (begun, answered, restarted);
                }
            }
            Err(Error::SessionNotFound) if self.ended.is_none() => {
                self.ended = Some(answered);
                storm.ended.fetch_add(1, Ordering::Relaxed);
                let unused = answered - self.from;
                let kills = u32::try_from(storm.kills.load(Ordering::SeqCst) - self.restarts).unwrap();
                let lost = LOST_BY_A_KILL + 3 * Duration::from_millis(storm.slowest.load(Ordering::SeqCst));
                let least = self.idle.saturating_sub(self.idle / OFF + ROUNDING + lost * kills);
                if restarts == Restarts::OfTheServer && unused < least {
                    return Err(format!("gone after {unused:?} with an idle timeout of {:?}", self.idle));
                }
            }
            Err(Error::SessionNotFound) => {}
            // The server is down. Whether it was touched is not known.
            Err(_) => {
                self.to = if is_touch { answered } else { self.to };
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

async fn visit(client: Client, mut rng: Rng, restarts: Restarts, storm: Arc<Storm>) -> Result<(), String> {
    while !storm.is_over.load(Ordering::SeqCst) {
        let Some(mut session) = Visit::begin(&client, &mut rng, &storm).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let touches = rng.bool();
        while session.ended.is_none_or(|ended| ended.elapsed() < AFTERLIFE) && !storm.is_over.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(rng.u64(5..100))).await;
            let is_touch = touches && rng.u8(..8) == 0 || session.ended.is_some() && rng.bool();
            session.look(&client, is_touch, restarts, &storm).await?;
        }
    }
    Ok(())
}

/// Throws the clock about, in steps of seconds to days.
async fn blow(server: &mut Server, clock: &FakeTime, rng: &mut Rng, restarts: Restarts, storm: &Storm) {
    let mut off_by = 0;
    for _ in 0..setting("SESSIOND_CLOCK_STEPS", 8) {
        sleep(Duration::from_millis(rng.u64(200..1_500))).await;
        let length = [10, 3_600, DAY, 30 * DAY][rng.usize(..4)];
        let step = rng.i64(-length..=length);
        match rng.u8(..4) {
            // A blip.
            0 => {
                clock.set_off_by(off_by + step);
                sleep(Duration::from_millis(rng.u64(10..2_000))).await;
                clock.set_off_by(off_by);
            }
            1 => {
                storm.kills.fetch_add(1, Ordering::SeqCst);
                server.kill();
                if restarts == Restarts::OfTheMachine {
                    restart_machine(server);
                }
                off_by += step;
                clock.set_off_by(off_by);
                server.restart();
                storm.restarts.fetch_add(1, Ordering::SeqCst);
            }
            _ => {
                off_by += step;
                clock.set_off_by(off_by);
            }
        }
    }
}

async fn storm(name: &str, restarts: Restarts) {
    let seed = setting("SESSIOND_SEED", fastrand::u64(..));
    say(&format!("{name}: SESSIOND_SEED={seed}"));
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let clock = FakeTime::off_by(0);
    let flags = ["--listen", &socket, "--touch-interval", "100ms", "--sweep-interval", "500ms"];
    let mut server = Server::start_under(folder, clock.environment(), &flags);
    let storm = Arc::new(Storm::default());
    let mut visitors = JoinSet::new();
    for number in 0..VISITORS {
        let rng = Rng::with_seed(seed.wrapping_add(number));
        visitors.spawn(visit(server.client(), rng, restarts, Arc::clone(&storm)));
    }
    blow(&mut server, &clock, &mut Rng::with_seed(seed), restarts, &storm).await;
    storm.is_over.store(true, Ordering::SeqCst);
    let findings: Vec<String> = visitors.join_all().await.into_iter().filter_map(Result::err).collect();
    let [kills, ended, answers, slowest] =
        [&storm.kills, &storm.ended, &storm.answers, &storm.slowest].map(|count| count.load(Ordering::SeqCst));
    let found = findings.len();
    say(&format!(
        "{name}: {ended} sessions ended, {answers} answers, {kills} restarts, slowest change {slowest} ms, {found} findings"
    ));
    assert_eq!(findings, Vec::<String>::new(), "SESSIOND_SEED={seed}");
    assert!(ended > 0, "no session ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_thrown_about_ends_no_session_early_and_none_late() {
    storm("clock", Restarts::OfTheServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_thrown_about_while_the_machine_restarts_revives_no_session() {
    storm("clock, machine", Restarts::OfTheMachine).await;
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Prints a line even if the test passes.
fn say(line: &str) {
    // Who closed the output does not want the line.
    writeln!(std::io::stderr(), "{line}").ok();
}
