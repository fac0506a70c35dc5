//! The processes of one store. One is used at a time, and the next in turn when it is away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tonic::transport::Channel;

use crate::lane::{Failure, FastLane, Lane};
use crate::retry::Time;

/// All processes of the store that the client knows, in the order of their addresses.
#[derive(Debug)]
pub(crate) struct Servers {
    all: Box<[Server]>,
    /// Counts on without end; its remainder names the process in use.
    turn: AtomicUsize,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Server {
    channel: Channel,
    /// None if every call is to be unary.
    lane: Option<FastLane>,
    /// Since it was last turned to.
    has_answered: AtomicBool,
}

impl Server {
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn lane(&self) -> Option<&FastLane> {
        self.lane.as_ref()
    }

    fn note_answer(&self) {
        // Tasks of all threads come by here: they share what they only read.
        if !self.has_answered.load(Relaxed) {
            self.has_answered.store(true, Relaxed);
        }
    }
}

impl Servers {
    pub(crate) fn new(channels: impl Iterator<Item = Channel>, lane: Lane) -> Self {
        let server = |channel: Channel| {
            let lane = (lane == Lane::Auto).then(|| FastLane::new(channel.clone()));
            Server { channel, lane, has_answered: AtomicBool::new(false) }
        };
        Self { all: channels.map(server).collect(), turn: AtomicUsize::new(0) }
    }

    /// The process in use.
    pub(crate) fn current(&self) -> &Server {
        self.at(self.turn.load(Relaxed))
    }

    /// Makes a call at the process in use, and while that is away, at the others in turn, each once. The call is told how much
    /// time it has.
    pub(crate) async fn in_turn<'a, T, F>(
        &'a self,
        mut time: Time,
        call: impl Fn(Time, &'a Server) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut untried = self.all.len();
        let mut charge = None;
        loop {
            untried -= 1;
            let turn = self.turn.load(Relaxed);
            let server = self.at(turn);
            match call(time, server).await {
                Err(failure) if failure.is_absence() => {
                    let failure = failure.after(charge);
                    self.leave(turn);
                    if untried == 0 || !failure.may_be_repeated() {
                        return Err(failure);
                    }
                    charge = failure.charge();
                    time = time.rest();
                }
                result => {
                    server.note_answer();
                    return result;
                }
            }
        }
    }

    /// Goes on with the next process if that in use has taken a connection but never answered on it: it hangs.
    pub(crate) fn leave_if_silent(&self) {
        let turn = self.turn.load(Relaxed);
        if !self.at(turn).has_answered.load(Relaxed) {
            self.leave(turn);
        }
    }

    /// Goes on with the next process, unless another call has done so already.
    fn leave(&self, turn: usize) {
        let next = turn.wrapping_add(1);
        if self.turn.compare_exchange(turn, next, Relaxed, Relaxed).is_ok() {
            self.at(next).has_answered.store(false, Relaxed);
        }
    }

    fn at(&self, turn: usize) -> &Server {
        &self.all[turn % self.all.len()]
    }
}
