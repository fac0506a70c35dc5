//! The rules hold by the time that passes, whatever happens to the system's clock.

use super::{Access, Error, LockRequest, NewSession, Past, Policies, Redemption, SessionChange, Sessions, Timeouts};
use crate::clock::{Clock, ClockHand, Millis};
use crate::engine::MemoryEngine;
use crate::model::SessionId;
use std::sync::Arc;

const NAMESPACE: &str = "n";
const IDLE: Millis = 2_000;
const DAY: i64 = 24 * 3_600_000;

/// Sets the system's clock, ahead or back.
const STEPS: [i64; 4] = [-DAY, -1_500, 1_500, DAY];

fn lock(id: &SessionId) -> LockRequest {
    LockRequest { namespace: NAMESPACE.into(), id: id.clone(), lease: 1_000, wait: 0, renewed: None }
}

struct World {
    sessions: Sessions,
    clock: Clock,
    hand: ClockHand,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(1_700_000_000_000);
        let sessions = Sessions::new(Arc::new(MemoryEngine::default()), clock.clone(), Policies::default());
        Self { sessions, clock, hand }
    }

    async fn create(&self) -> SessionId {
        let timeouts = Some(Timeouts { idle: Some(IDLE), absolute: None });
        let data = SessionChange { timeouts, ..SessionChange::default() };
        self.sessions
            .create(NewSession { namespace: NAMESPACE.into(), id: None, data, past: Past::default() })
            .await
            .unwrap()
            .0
    }

    async fn is_live(&self, id: &SessionId) -> bool {
        self.sessions.get(NAMESPACE, id, Access::Peek).await.is_ok()
    }

    /// Lets time pass, with a look at the system's clock, as the server takes it.
    fn pass(&self, time: Millis) {
        self.hand.advance(time);
        self.clock.follow();
    }
}

#[tokio::test]
async fn sessions_end_by_the_time_that_passes() {
    for step in STEPS {
        let world = World::new();
        let before = world.create().await;
        world.hand.set_by(step);
        let after = world.create().await;
        // Within the 2 % by which the time of sessions follows the clock.
        world.pass(IDLE * 97 / 100);
        assert!(world.is_live(&before).await && world.is_live(&after).await, "after a step of {step} ms");
        world.pass(IDLE * 6 / 100);
        assert!(!world.is_live(&before).await && !world.is_live(&after).await, "after a step of {step} ms");
        assert_eq!(world.sessions.sweep(10).await.unwrap().removed, 2);
    }
}

#[tokio::test]
async fn what_has_ended_stays_so() {
    for step in STEPS {
        let world = World::new();
        let id = world.create().await;
        world.pass(IDLE);
        assert!(!world.is_live(&id).await);
        for _ in 0..3 {
            world.hand.set_by(step);
            world.pass(10);
            assert!(!world.is_live(&id).await, "after a step of {step} ms");
        }
    }
}

#[tokio::test]
async fn leases_end_by_the_time_that_passes() {
    for step in STEPS {
        let world = World::new();
        let id = world.create().await;
        world.sessions.lock(lock(&id)).await.unwrap();
        world.hand.set_by(step);
        world.pass(970);
        let taken = world.sessions.lock(lock(&id)).await;
        assert!(matches!(taken, Err(Error::LockHeld { .. })), "after a step of {step} ms: {taken:?}");
        world.pass(60);
        world.sessions.lock(lock(&id)).await.unwrap();
    }
}

#[tokio::test]
async fn tickets_end_by_the_time_that_passes() {
    for step in STEPS {
        for (passed, is_valid) in [(970, true), (1_030, false)] {
            let world = World::new();
            let id = world.create().await;
            let issued = world.sessions.issue_handoff(NAMESPACE, &id, "shop".into(), 1_000).await;
            let (_, ticket, _) = issued.unwrap();
            world.hand.set_by(step);
            world.pass(passed);
            let (namespace, audience) = (NAMESPACE.into(), "shop".into());
            let redemption = Redemption { namespace, ticket: ticket.reveal(), audience, new_id: None };
            let redeemed = world.sessions.redeem_handoff(redemption).await;
            assert_eq!(redeemed.is_ok(), is_valid, "{passed} ms after a step of {step} ms");
        }
    }
}
