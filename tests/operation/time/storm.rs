//! Tests with a clock that jumps wildly under load. An ended session is never seen again, and no session lives much too
//! long or ends early.

use crate::common::Server;
use crate::common::faketime::FakeTime;
use crate::time::{DAY, restart_machine};
use fastrand::Rng;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, Timeouts};
use sessiond_client::{Client, Error};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const VISITORS: u64 = 24;

/// Idle timeouts in milliseconds.
const IDLE: std::ops::Range<u64> = 200..2_500;

/// The time of sessions is off by a fiftieth at most, of which 4 ms may come at once. And moments are rounded to
/// milliseconds.
const OFF: u32 = 50;
const ROUNDING: Duration = Duration::from_millis(4 + 2);

/// How often touches are written. A touch that is being written waits for others and for its turn, each time as long as
/// a change takes on this machine.
const WRITTEN_BACK: Duration = Duration::from_millis(100);

/// After a kill, the time of sessions may be ahead by a fiftieth of at most 15 s, the time for which it is written in
/// advance.
const AHEAD_BY_A_KILL: Duration = Duration::from_millis(300);

/// How long an ended session is looked for.
const AFTERLIFE: Duration = Duration::from_secs(2);

/// The events besides steps of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restarts {
    /// The server is killed and started again; the machine goes on.
    OfTheServer,
    /// The machine is restarted, too, so that nobody knows how much time has passed.
    OfTheMachine,
}

#[derive(Debug, Default)]
struct Storm {
    kills: Mutex<Vec<Kill>>,
    /// How long the slowest change took, in milliseconds.
    slowest: AtomicU64,
    is_over: AtomicBool,
    ended: AtomicU64,
    answers: AtomicU64,
}

/// When the server was killed, and when it was ready again.
#[derive(Clone, Copy, Debug)]
struct Kill {
    from: Instant,
    to: Option<Instant>,
}

/// A call that used a session: when it began and when it was answered.
#[derive(Clone, Copy, Debug)]
struct Use {
    from: Instant,
    to: Instant,
}

/// A session as its visitor knows it.
struct Visit {
    id: String,
    idle: Duration,
    created: Use,
    touches: Vec<Use>,
    /// When it may have been used last.
    used: Instant,
    ended: Option<Instant>,
}

impl Storm {
    /// The last use that no kill has undone, and how many kills there were since.
    fn kept_use(&self, visit: &Visit) -> (Use, u32) {
        let kills = self.kills.lock().unwrap();
        let window = WRITTEN_BACK + 3 * Duration::from_millis(self.slowest.load(Ordering::SeqCst));
        let is_lost = |touch: &Use, kill: &Kill| {
            kill.from < touch.to + window && kill.to.is_none_or(|restarted| touch.from < restarted)
        };
        let kept = visit.touches.iter().rev().find(|touch| !kills.iter().any(|kill| is_lost(touch, kill)));
        let kept = *kept.unwrap_or(&visit.created);
        let since = kills.iter().filter(|kill| kill.to.is_none_or(|restarted| restarted > kept.from)).count();
        (kept, u32::try_from(since).unwrap())
    }
}

impl Visit {
    async fn begin(client: &Client, rng: &mut Rng, storm: &Storm) -> Option<Self> {
        let idle = Duration::from_millis(rng.u64(IDLE));
        let from = Instant::now();
        let request = CreateSessionRequest::new().timeouts(Timeouts::new().idle(idle));
        let id = client.create(request).await.ok()?.session_id;
        let created = Use { from, to: Instant::now() };
        let took = u64::try_from((created.to - from).as_millis()).unwrap();
        storm.slowest.fetch_max(took, Ordering::SeqCst);
        Some(Self { id, idle, created, touches: Vec::new(), used: created.to, ended: None })
    }

    /// One look at the session; what no visitor should find.
    async fn look(&mut self, client: &Client, is_touch: bool, restarts: Restarts, storm: &Storm) -> Result<(), String> {
        let begun = Instant::now();
        let request = GetSessionRequest::new(&self.id);
        let answer = client.get(if is_touch { request } else { request.peek() }).await;
        let answered = Instant::now();
        storm.answers.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(_) => {
                if let Some(ended) = self.ended {
                    return Err(format!("revived {:?} after it was gone", begun - ended));
                }
                let unused = begun.saturating_duration_since(self.used);
                let most = self.idle + self.idle / (OFF - 1) + ROUNDING;
                if restarts == Restarts::OfTheServer && unused > most {
                    return Err(format!("lives after {unused:?} with an idle timeout of {:?}", self.idle));
                }
                if is_touch {
                    self.touches.push(Use { from: begun, to: answered });
                    self.used = answered;
                }
            }
            Err(Error::SessionNotFound) if self.ended.is_none() => {
                self.ended = Some(answered);
                storm.ended.fetch_add(1, Ordering::Relaxed);
                let (kept, kills) = storm.kept_use(self);
                let unused = answered - kept.from;
                let least = self.idle.saturating_sub(self.idle / OFF + ROUNDING + AHEAD_BY_A_KILL * kills);
                if restarts == Restarts::OfTheServer && unused < least {
                    return Err(format!("gone after {unused:?} with an idle timeout of {:?}", self.idle));
                }
            }
            Err(Error::SessionNotFound) => {}
            // The server is down, so nobody knows whether the touch took effect.
            Err(_) => {
                self.used = if is_touch { answered } else { self.used };
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

/// Sets the clock wildly, in steps of seconds to days.
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
                storm.kills.lock().unwrap().push(Kill { from: Instant::now(), to: None });
                server.kill();
                if restarts == Restarts::OfTheMachine {
                    restart_machine(server);
                }
                off_by += step;
                clock.set_off_by(off_by);
                server.restart();
                storm.kills.lock().unwrap().last_mut().unwrap().to = Some(Instant::now());
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
    let [ended, answers, slowest] =
        [&storm.ended, &storm.answers, &storm.slowest].map(|count| count.load(Ordering::SeqCst));
    let (kills, found) = (storm.kills.lock().unwrap().len(), findings.len());
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
    // A reader that closed the output does not want the line.
    writeln!(std::io::stderr(), "{line}").ok();
}
