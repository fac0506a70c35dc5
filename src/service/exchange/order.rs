//! Keeps calls on one session in the order of the stream: each waits until those before it have ended.

use crate::model::SessionId;
use crate::proto::call::Method;
use crate::proto::delete_session_request::Target;
use foldhash::quality::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use tokio::sync::oneshot;

/// Stands for a session in the order. It is a hash with a random seed: two sessions that share one by chance wait for each
/// other needlessly, but nobody can bring that about on purpose.
type SessionKey = u64;

/// Which sessions a call is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// About the session that it names, and about the ID of the caller's choice if it has one.
    Sessions(SessionKey, Option<SessionKey>),
    /// About any session, as far as can be told beforehand.
    Any,
    /// About no session that another call could name.
    None,
}

/// Resolves when it is a call's turn; fails if the order was closed before.
pub(super) type Turn = oneshot::Receiver<()>;

/// The calls of a stream that have not ended, by the sessions they are about.
#[derive(Debug, Default)]
pub(super) struct Order {
    hasher: RandomState,
    last_number: u64,
    /// For each session the numbers of its calls; the first one runs.
    queues: Map<VecDeque<u64>>,
    /// Calls that wait, and in how many queues they are not at the front.
    waiting: Map<(usize, oneshot::Sender<()>)>,
}

/// The keys are numbers that no client can choose, so a fast hash will do.
type Map<Value> = HashMap<u64, Value, foldhash::fast::RandomState>;

/// Where a call stands in the order.
#[derive(Debug)]
pub(super) struct QueueEntry {
    number: u64,
    keys: [Option<SessionKey>; 2],
}

impl Order {
    /// What a call is about.
    pub(super) fn scope(&self, method: &Method) -> Scope {
        // All minted IDs of a session count as one.
        let key = |namespace: &str, id: &str| self.hasher.hash_one((namespace, SessionId::lasting_part(id)));
        let chosen = |namespace: &str, id: &str| (!id.is_empty()).then(|| key(namespace, id));
        match method {
            Method::Create(create) => match chosen(&create.namespace, &create.session_id) {
                Some(key) => Scope::Sessions(key, None),
                None => Scope::None,
            },
            Method::Get(get) => Scope::Sessions(key(&get.namespace, &get.session_id), None),
            Method::Update(update) => Scope::Sessions(key(&update.namespace, &update.session_id), None),
            Method::Touch(touch) => Scope::Sessions(key(&touch.namespace, &touch.session_id), None),
            Method::Rotate(rotate) => Scope::Sessions(
                key(&rotate.namespace, &rotate.session_id),
                chosen(&rotate.namespace, &rotate.new_session_id),
            ),
            Method::Delete(delete) => match &delete.target {
                Some(Target::SessionId(id)) => Scope::Sessions(key(&delete.namespace, id), None),
                // The session's ID is not known here.
                Some(Target::Handle(_)) | None => Scope::Any,
            },
        }
    }

    /// Whether a call about these sessions would have to wait.
    pub(super) fn is_busy(&self, scope: &Scope) -> bool {
        match scope {
            Scope::None => false,
            Scope::Any => !self.queues.is_empty(),
            Scope::Sessions(first, second) => {
                self.queues.contains_key(first) || second.is_some_and(|second| self.queues.contains_key(&second))
            }
        }
    }

    /// Puts a call behind those about the same sessions. If it gets a turn, it must wait for it.
    pub(super) fn enter(&mut self, scope: &Scope) -> (QueueEntry, Option<Turn>) {
        self.last_number += 1;
        let number = self.last_number;
        let keys = match *scope {
            Scope::Sessions(first, second) => [Some(first), second.filter(|second| *second != first)],
            Scope::Any | Scope::None => [None, None],
        };
        let mut behind = 0;
        for key in keys.into_iter().flatten() {
            let queue = self.queues.entry(key).or_default();
            behind += usize::from(!queue.is_empty());
            queue.push_back(number);
        }
        let turn = (behind > 0).then(|| {
            let (sender, turn) = oneshot::channel();
            self.waiting.insert(number, (behind, sender));
            turn
        });
        (QueueEntry { number, keys }, turn)
    }

    /// Removes a call that has ended, or was given up while it waited.
    pub(super) fn leave(&mut self, position: &QueueEntry) {
        self.waiting.remove(&position.number);
        for key in position.keys.into_iter().flatten() {
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            if queue.front() != Some(&position.number) {
                queue.retain(|number| *number != position.number);
                continue;
            }
            queue.pop_front();
            match queue.front() {
                Some(&next) => self.advance(next),
                None => drop(self.queues.remove(&key)),
            }
        }
    }

    /// Lets no waiting call begin any more.
    pub(super) fn close(&mut self) {
        self.waiting.clear();
    }

    /// A call has come to the front of one more of its queues.
    fn advance(&mut self, number: u64) {
        let Some((behind, _)) = self.waiting.get_mut(&number) else { return };
        *behind -= 1;
        if *behind == 0
            && let Some((_, turn)) = self.waiting.remove(&number)
        {
            // The call may have been given up.
            turn.send(()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_come(turn: &mut Option<Turn>) -> bool {
        turn.as_mut().is_none_or(|turn| turn.try_recv().is_ok())
    }

    #[test]
    fn calls_on_one_session_take_turns_and_others_do_not_wait() {
        let mut order = Order::default();
        let (first, mut turn) = order.enter(&Scope::Sessions(1, None));
        assert!(has_come(&mut turn));
        let (second, mut second_turn) = order.enter(&Scope::Sessions(1, None));
        let (_other, mut other_turn) = order.enter(&Scope::Sessions(2, None));
        assert!(!has_come(&mut second_turn));
        assert!(has_come(&mut other_turn));
        order.leave(&first);
        assert!(has_come(&mut second_turn));
        assert!(order.is_busy(&Scope::Sessions(1, None)));
        order.leave(&second);
        assert!(!order.is_busy(&Scope::Sessions(1, None)));
    }

    #[test]
    fn a_call_on_two_sessions_waits_for_both() {
        let mut order = Order::default();
        let (one, _) = order.enter(&Scope::Sessions(1, None));
        let (two, _) = order.enter(&Scope::Sessions(2, None));
        let (both, mut turn) = order.enter(&Scope::Sessions(1, Some(2)));
        let (_behind, mut behind_turn) = order.enter(&Scope::Sessions(2, None));
        order.leave(&two);
        assert!(!has_come(&mut turn));
        order.leave(&one);
        assert!(has_come(&mut turn));
        assert!(!has_come(&mut behind_turn));
        order.leave(&both);
        assert!(has_come(&mut behind_turn));
    }

    #[test]
    fn who_gives_up_waiting_holds_up_nobody() {
        let mut order = Order::default();
        let (first, _) = order.enter(&Scope::Sessions(1, None));
        let (second, _) = order.enter(&Scope::Sessions(1, None));
        let (_third, mut turn) = order.enter(&Scope::Sessions(1, None));
        order.leave(&second);
        assert!(!has_come(&mut turn));
        order.leave(&first);
        assert!(has_come(&mut turn));
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut order = Order::default();
        let calls: Vec<_> = (0..100).map(|n| order.enter(&Scope::Sessions(n % 7, Some(n % 5))).0).collect();
        for position in &calls {
            order.leave(position);
        }
        assert!(order.queues.is_empty() && order.waiting.is_empty());
    }

    #[test]
    fn a_closed_order_lets_nobody_begin() {
        let mut order = Order::default();
        let (first, _) = order.enter(&Scope::Sessions(1, None));
        let (_second, turn) = order.enter(&Scope::Sessions(1, None));
        order.close();
        order.leave(&first);
        assert_eq!(turn.unwrap().blocking_recv().ok(), None);
    }
}
