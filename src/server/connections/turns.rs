//! Turns: how the connections of a thread, such as a worker, share its time.
//!
//! In one turn a connection reads a bounded number of bytes. If there is more, it stands in line, and before the first in line has its
//! next turn, the thread looks at all other connections. So a call waits for one turn of a busy peer at most, however many there are.
//! A peer that sends nothing that a call needs, such as `SETTINGS` without end, has its turns with pauses between them, which grow if it
//! has no call.

use crate::service::Share;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

/// A turn is over when so many bytes have been read. Many more would let a peer that sends small frames keep the others waiting: each
/// frame costs as much as a large one.
const TURN: usize = 8 << 10;

/// After so many turns in which nothing came that a call needs, the next waits for a pause. What came in the last turn may not have been
/// looked at yet; and of what a well-meaning peer sends, only the windows of large answers are no use to a call, a few bytes for many.
const USELESS_TURNS: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The pause doubles so often at most.
const DOUBLINGS: u32 = 6;

/// The connections of a thread that have more to read. Each stands in it once.
#[derive(Clone)]
pub(in crate::server) struct Line(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// The turns of one connection.
pub(super) struct Turns {
    line: Line,
    share: Arc<Share>,
    /// Bytes that were read in this turn.
    read: usize,
    /// The uses of the share at the end of the last turn.
    uses: usize,
    /// How many turns had none, less two for each that had some: one call between many such turns does not pay for all of them.
    useless: u32,
    pause: Option<Pin<Box<Sleep>>>,
    /// Resolves when the next turn begins, while the connection stands in line.
    next: Option<oneshot::Receiver<()>>,
}

impl Line {
    /// Forms the line of the runtime in which this is called, which has one thread.
    pub(in crate::server) fn form() -> Self {
        let (line, mut waiting) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        tokio::spawn(async move {
            while let Some(next) = waiting.recv().await {
                if next.send(()).is_ok() {
                    // Goes on when all that was ready has run, and the operating system has told of what is ready now.
                    yield_now().await;
                }
            }
        });
        Self(line)
    }
}

impl Turns {
    pub(super) fn new(line: Line, share: Arc<Share>) -> Self {
        Self { line, share, read: 0, uses: 0, useless: 0, pause: None, next: None }
    }

    /// Ready while the connection has its turn.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.read >= TURN {
            self.read = 0;
            let uses = std::mem::replace(&mut self.uses, self.share.uses());
            if uses == self.uses {
                // With calls they do not grow: what comes may be of messages that wait for room.
                let most = if self.share.has_no_call() { USELESS_TURNS + DOUBLINGS } else { USELESS_TURNS };
                self.useless = (self.useless + 1).min(most);
                self.pause = pause_after(self.useless).map(|pause| Box::pin(sleep(pause)));
            } else {
                self.useless = self.useless.saturating_sub(USELESS_TURNS);
            }
            let (begin, next) = oneshot::channel();
            // Without anybody who calls the next, it is this connection's turn.
            self.next = self.line.0.send(begin).is_ok().then_some(next);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if let Some(next) = &mut self.next {
            if Pin::new(next).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.next = None;
        }
        Poll::Ready(())
    }

    /// Counts bytes that were read.
    pub(super) fn note_read(&mut self, bytes: usize) {
        self.read += bytes;
    }

    /// There is no more to read for now: when there is, a new turn begins.
    pub(super) fn end(&mut self) {
        self.read = 0;
    }
}

fn pause_after(useless: u32) -> Option<Duration> {
    useless.checked_sub(USELESS_TURNS).map(|doublings| FIRST_PAUSE * (1 << doublings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Bounds, Budget};
    use std::future::poll_fn;
    use std::sync::Mutex;
    use tokio::time::Instant;

    fn share() -> Arc<Share> {
        Budget::new(Bounds { requests: 1, bytes: 1, connection_bytes: 1 }).share()
    }

    #[tokio::test]
    async fn who_has_more_to_read_stands_in_line_and_others_run_between_the_turns() {
        let line = Line::form();
        let turns = Arc::new(Mutex::new(Vec::new()));
        let busy = ["first", "second"].map(|name| {
            let (share, turns) = (share(), Arc::clone(&turns));
            let mut own = Turns::new(line.clone(), Arc::clone(&share));
            tokio::spawn(async move {
                for _ in 0..3 {
                    poll_fn(|cx| own.poll_turn(cx)).await;
                    turns.lock().unwrap().push(name);
                    own.note_read(TURN);
                    share.note_use();
                }
            })
        });
        let other = {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                for _ in 0..3 {
                    yield_now().await;
                    turns.lock().unwrap().push("other");
                }
            })
        };
        for task in busy.into_iter().chain([other]) {
            task.await.unwrap();
        }
        let turns = turns.lock().unwrap().clone();
        let expected = ["first", "second", "first", "other", "second", "other", "first", "other", "second"];
        assert_eq!(turns, expected);
    }

    /// How long ten turns take, in milliseconds.
    async fn time_of_ten(turns: &mut Turns, share: &Share, sends_call: impl Fn(usize) -> bool) -> u128 {
        let begin = Instant::now();
        for number in 0..10 {
            if sends_call(number) {
                share.note_use();
            }
            turns.note_read(TURN);
            poll_fn(|cx| turns.poll_turn(cx)).await;
        }
        begin.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_that_a_call_needs_has_pauses_that_grow_to_a_bound() {
        let share = share();
        let mut turns = Turns::new(Line::form(), Arc::clone(&share));
        assert_eq!(time_of_ten(&mut turns, &share, |_| true).await, 0);
        let grow = 10 + 20 + 40 + 80 + 160 + 320 + 640;
        assert_eq!(time_of_ten(&mut turns, &share, |_| false).await, grow + 2 * 640);
        assert_eq!(time_of_ten(&mut turns, &share, |_| false).await, 10 * 640);
        assert_eq!(time_of_ten(&mut turns, &share, |_| true).await, 0);
        assert_eq!(time_of_ten(&mut turns, &share, |number| number > 0).await, 0, "calls make up for it");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_do_not_grow_while_there_are_calls() {
        let share = share();
        let mut turns = Turns::new(Line::form(), Arc::clone(&share));
        let call = share.hold(1);
        assert_eq!(time_of_ten(&mut turns, &share, |_| false).await, 9 * 10);
        drop(call);
        assert!(time_of_ten(&mut turns, &share, |_| false).await > 10 * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_now_and_then_does_not_pay_for_all_the_rest() {
        let share = share();
        let mut turns = Turns::new(Line::form(), Arc::clone(&share));
        // The heads of calls may be large: two turns without a message are nothing unusual.
        for _ in 0..10 {
            assert_eq!(time_of_ten(&mut turns, &share, |number| number % 2 == 0).await, 0);
        }
        let mut last = 0;
        for _ in 0..2 {
            let time = time_of_ten(&mut turns, &share, |number| number % 5 == 4).await;
            assert!(time > last, "{time} ms after {last} ms");
            last = time;
        }
    }

    #[tokio::test]
    async fn who_has_read_all_there_was_does_not_wait() {
        let mut turns = Turns::new(Line::form(), share());
        for _ in 0..10 {
            turns.note_read(TURN - 1);
            turns.end();
            poll_fn(|cx| turns.poll_turn(cx)).await;
            assert!(turns.next.is_none());
        }
    }

    #[tokio::test]
    async fn who_leaves_the_line_does_not_hold_it_up() {
        let line = Line::form();
        let (mut leaves, mut stays) = (Turns::new(line.clone(), share()), Turns::new(line, share()));
        for turns in [&mut leaves, &mut stays] {
            turns.note_read(TURN);
            assert!(poll_fn(|cx| Poll::Ready(turns.poll_turn(cx))).await.is_pending());
        }
        drop(leaves);
        poll_fn(|cx| stays.poll_turn(cx)).await;
    }
}
