//! Runs random histories on the session rules, over memory and over sled with reopening in between. Compares them step
//! by step with a model that is too simple to be wrong.

use crate::encryption::ring;
use proptest::prelude::*;
use proptest::sample::Index;
use sessiond::clock::{Clock, ClockHand, Millis};
use sessiond::encryption::{KeyRing, new_key};
use sessiond::engine::{DataFolder, DurableEngine, DurableOptions, Engine, MemoryEngine};
use sessiond::model::{Attribute, Attributes, Record, SessionId};
use sessiond::session::{
    Access, DeleteTarget, Error, NewSession, Past, Policies, Policy, Rotation, Seen, SessionChange, Sessions, Timeouts,
    Update,
};
use std::collections::BTreeMap;
use std::iter::Cycle;
use std::path::Path;
use std::sync::Arc;
use std::vec::IntoIter;
use tokio::runtime::Runtime;

const START: Millis = 1_000_000;

/// One step of a history. IDs are named by their number among all IDs handed out so far, including dead ones.
#[derive(Clone, Debug)]
enum Step {
    Create {
        chosen: Option<u8>,
        attribute: (u8, i8),
        idle: u16,
    },
    Get {
        id: Index,
        touch: bool,
    },
    Update {
        id: Index,
        set: Option<(u8, i8)>,
        remove: Option<u8>,
        stale_version: bool,
        upsert: bool,
    },
    Rotate {
        id: Index,
        chosen: Option<u8>,
        grace: u16,
        set: Option<(u8, i8)>,
    },
    Delete {
        id: Index,
        by_handle: bool,
    },
    Advance {
        by: u16,
    },
    /// Sets the system's clock, by which no session ends.
    SetClock {
        by: i32,
    },
    Sweep {
        limit: u8,
    },
    WriteTouches,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attribute = || (0..4_u8, any::<i8>());
    let chosen = || proptest::option::weighted(0.4, 0..4_u8);
    let step = prop_oneof![
        3 => (chosen(), attribute(), 1..2_000_u16)
            .prop_map(|(chosen, attribute, idle)| Step::Create { chosen, attribute, idle }),
        5 => (any::<Index>(), any::<bool>()).prop_map(|(id, touch)| Step::Get { id, touch }),
        5 => (any::<Index>(), proptest::option::of(attribute()), proptest::option::weighted(0.2, 0..4_u8),
              proptest::bool::weighted(0.1), proptest::bool::weighted(0.1))
            .prop_map(|(id, set, remove, stale_version, upsert)| {
                let remove = remove.filter(|name| set.is_none_or(|(set, _)| set != *name));
                Step::Update { id, set, remove, stale_version: stale_version && !upsert, upsert }
            }),
        3 => (any::<Index>(), chosen(), prop_oneof![Just(0), 1..500_u16], proptest::option::of(attribute()))
            .prop_map(|(id, chosen, grace, set)| Step::Rotate { id, chosen, grace, set }),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(id, by_handle)| Step::Delete { id, by_handle }),
        4 => (0..700_u16).prop_map(|by| Step::Advance { by }),
        1 => any::<i32>().prop_map(|by| Step::SetClock { by }),
        1 => (1..4_u8).prop_map(|limit| Step::Sweep { limit }),
        1 => Just(Step::WriteTouches),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct ModelSession {
    handle: String,
    version: u64,
    attributes: BTreeMap<u8, i8>,
    accessed: Millis,
    idle: Millis,
    /// Each ID, and until when it reads if it was rotated away.
    ids: Vec<(SessionId, Option<Millis>)>,
}

/// The sessions that were ever created and not deleted. Time decides which of them are live.
#[derive(Debug, Default)]
struct Model {
    now: Millis,
    sessions: Vec<ModelSession>,
}

impl Model {
    fn position(&self, id: &SessionId) -> Option<usize> {
        self.sessions.iter().position(|session| {
            self.now < session.accessed + session.idle
                && session.ids.iter().any(|(known, end)| known == id && end.is_none_or(|end| self.now < end))
        })
    }

    fn can_only_read(&self, at: usize, id: &SessionId) -> bool {
        self.sessions[at].ids.iter().any(|(known, end)| known == id && end.is_some_and(|end| self.now < end))
    }

    fn change(&mut self, at: usize, set: Option<(u8, i8)>, remove: Option<u8>) {
        let session = &mut self.sessions[at];
        session.accessed = self.now;
        if let Some(name) = remove {
            session.attributes.remove(&name);
        }
        session.attributes.extend(set);
        session.version += u64::from(set.is_some() || remove.is_some());
    }
}

struct World {
    sessions: Sessions,
    engine: Arc<dyn Engine>,
    folder: Option<tempfile::TempDir>,
    /// The keys with which the engine is opened one time after the other; `None` is in plain.
    rings: Cycle<IntoIter<Option<KeyRing>>>,
    /// Whether sessions are sealed, one time after the other.
    policies: Cycle<IntoIter<bool>>,
    clock: Clock,
    hand: ClockHand,
    ids: Vec<SessionId>,
    model: Model,
}

impl World {
    fn new(on_disk: bool, rings: Vec<Option<KeyRing>>, policies: Vec<bool>) -> Self {
        let (clock, hand) = Clock::manual(START);
        let folder = on_disk.then(|| tempfile::tempdir().unwrap());
        let mut rings = rings.into_iter().cycle();
        let engine: Arc<dyn Engine> = match &folder {
            Some(folder) => open(folder.path(), rings.next().flatten()),
            None => Arc::new(MemoryEngine::default()),
        };
        let mut policies = policies.into_iter().cycle();
        let sessions = Sessions::new(Arc::clone(&engine), clock.clone(), sealing(policies.next().unwrap_or_default()));
        let model = Model { now: START, ..Model::default() };
        Self { sessions, engine, folder, rings, policies, clock, hand, ids: vec![chosen_id(0)], model }
    }

    async fn reopen(&mut self) {
        self.sessions.write_touches().await.unwrap();
        if let Some(folder) = &self.folder {
            self.engine.close().await.unwrap();
            self.engine = Arc::new(MemoryEngine::default());
            self.sessions = Sessions::new(Arc::clone(&self.engine), self.clock.clone(), Policies::default());
            self.engine = open(folder.path(), self.rings.next().flatten());
        }
        let policies = sealing(self.policies.next().unwrap_or_default());
        self.sessions = Sessions::new(Arc::clone(&self.engine), self.clock.clone(), policies);
    }

    async fn take(&mut self, step: &Step) {
        match step.clone() {
            Step::Create { chosen, attribute, idle } => self.create(chosen.map(chosen_id), attribute, idle).await,
            Step::Get { id, touch } => self.get(id.get(&self.ids).clone(), touch).await,
            Step::Update { id, set, remove, stale_version, upsert } => {
                self.update(id.get(&self.ids).clone(), set, remove, stale_version, upsert).await;
            }
            Step::Rotate { id, chosen, grace, set } => {
                self.rotate(id.get(&self.ids).clone(), chosen.map(chosen_id), grace, set).await;
            }
            Step::Delete { id, by_handle } => self.delete(id.get(&self.ids).clone(), by_handle).await,
            Step::Advance { by } => {
                self.hand.advance(by.into());
                self.model.now += Millis::from(by);
            }
            Step::SetClock { by } => self.hand.set_by(by.into()),
            Step::Sweep { limit } => drop(self.sessions.sweep(limit.into()).await.unwrap()),
            Step::WriteTouches => self.sessions.write_touches().await.unwrap(),
            Step::Reopen => self.reopen().await,
        }
    }

    async fn create(&mut self, chosen: Option<SessionId>, (name, value): (u8, i8), idle: u16) {
        let timeouts = Some(Timeouts { idle: Some(idle.into()), absolute: None });
        let data = SessionChange { timeouts, ..change(Some((name, value)), None) };
        let result = self
            .sessions
            .create(NewSession { namespace: "n".into(), id: chosen.clone(), data, past: Past::default() })
            .await;
        if chosen.as_ref().is_some_and(|id| self.model.position(id).is_some()) {
            return assert!(matches!(result, Err(Error::IdTaken)), "{result:?}");
        }
        let (id, record) = result.unwrap();
        self.model.sessions.push(ModelSession {
            handle: record.handle.to_string(),
            version: 1,
            attributes: BTreeMap::from([(name, value)]),
            accessed: self.model.now,
            idle: idle.into(),
            ids: vec![(id.clone(), None)],
        });
        self.check(&record, &id, self.model.sessions.len() - 1);
        self.ids.push(id);
    }

    async fn get(&mut self, id: SessionId, touch: bool) {
        let access = if touch { Access::Touch } else { Access::Peek };
        let result = self.sessions.get("n", &id, access).await.map(|seen| seen.to_record());
        match self.model.position(&id) {
            None => assert!(matches!(result, Err(Error::NotFound)), "{result:?}"),
            Some(at) => {
                if touch {
                    self.model.sessions[at].accessed = self.model.now;
                }
                self.check(&result.unwrap(), &id, at);
            }
        }
    }

    async fn update(&mut self, id: SessionId, set: Option<(u8, i8)>, remove: Option<u8>, stale: bool, upsert: bool) {
        let at = self.model.position(&id);
        let expected_version = stale.then(|| at.map_or(1, |at| self.model.sessions[at].version) + 1);
        let update = Update {
            namespace: "n".into(),
            id: id.clone(),
            change: change(set, remove),
            expected_version,
            upsert,
            lock_token: None,
            unlock: false,
        };
        let result = self.sessions.update(update).await;
        let Some(at) = at else {
            if !upsert {
                return assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
            }
            let updated = result.unwrap();
            assert!(updated.created);
            return self.model.sessions.push(ModelSession {
                handle: updated.session.record.handle.to_string(),
                version: 1,
                attributes: set.into_iter().collect(),
                accessed: self.model.now,
                idle: Policy::default().idle_timeout,
                ids: vec![(id, None)],
            });
        };
        // An attempt to update is an access, whatever its result.
        self.model.sessions[at].accessed = self.model.now;
        if self.model.can_only_read(at, &id) {
            assert!(matches!(result, Err(Error::IdRetired)), "{result:?}");
        } else if stale {
            let current = self.model.sessions[at].version;
            assert!(matches!(result, Err(Error::VersionMismatch { current: c }) if c == current), "{result:?}");
        } else {
            self.model.change(at, set, remove);
            self.check(&result.unwrap().session.to_record(), &id, at);
        }
    }

    async fn rotate(&mut self, id: SessionId, new_id: Option<SessionId>, grace: u16, set: Option<(u8, i8)>) {
        let result = self
            .sessions
            .rotate(Rotation {
                namespace: "n".into(),
                id: id.clone(),
                new_id: new_id.clone(),
                grace: grace.into(),
                change: change(set, None),
                expected_version: None,
            })
            .await;
        let Some(at) = self.model.position(&id) else {
            return assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
        };
        self.model.sessions[at].accessed = self.model.now;
        if self.model.can_only_read(at, &id) {
            return assert!(matches!(result, Err(Error::IdRetired)), "{result:?}");
        }
        if new_id.is_some_and(|new_id| self.model.position(&new_id).is_some()) {
            return assert!(matches!(result, Err(Error::IdTaken)), "{result:?}");
        }
        let (new_id, record) = result.unwrap();
        self.model.change(at, set, None);
        let now = self.model.now;
        let session = &mut self.model.sessions[at];
        session.ids.retain(|(known, end)| *known != new_id && (*known == id || end.is_none_or(|end| now < end)));
        for (_, end) in session.ids.iter_mut().filter(|(known, _)| *known == id) {
            *end = Some(now + Millis::from(grace));
        }
        session.ids.push((new_id.clone(), None));
        self.check(&record, &new_id, at);
        self.ids.push(new_id);
    }

    async fn delete(&mut self, id: SessionId, by_handle: bool) {
        let at = self.model.position(&id);
        let handle = at.map(|at| self.model.sessions[at].handle.parse().unwrap());
        let target = match handle {
            Some(handle) if by_handle => DeleteTarget::Handle(handle),
            _ => DeleteTarget::Id(id),
        };
        let result = self.sessions.delete("n".into(), target).await;
        match at {
            None => assert!(matches!(result, Err(Error::NotFound)), "{result:?}"),
            Some(at) => {
                result.unwrap();
                self.model.sessions.remove(at);
            }
        }
    }

    fn check(&self, record: &Record, id: &SessionId, at: usize) {
        let session = &self.model.sessions[at];
        assert_eq!(record.handle.to_string(), session.handle);
        assert_eq!(record.version, session.version);
        assert_eq!(record.accessed, session.accessed);
        assert_eq!(record.expires_at(), session.accessed + session.idle);
        let expected: Attributes = session.attributes.iter().map(|(name, value)| attribute(*name, *value)).collect();
        let opened = Seen::from(Arc::new(record.clone())).opened(id).unwrap();
        assert_eq!(opened.record.attributes, expected);
        assert!(record.sealed.is_none() || record.attributes.is_empty());
    }

    /// In the end every ID must open what the model says, and sweeping must leave nothing behind.
    async fn check_all(&mut self) {
        for id in self.ids.clone() {
            self.get(id, false).await;
        }
        self.hand.advance(Policy::default().idle_timeout * 2);
        while self.sessions.sweep(10).await.unwrap().looked_at > 0 {}
        self.engine
            .read(&mut |view| {
                assert_eq!(view.due(0, Millis::MAX, 1)?, []);
                for session in &self.model.sessions {
                    assert_eq!(view.record(session.handle.parse().unwrap())?, None);
                }
                Ok(())
            })
            .await
            .unwrap();
    }
}

fn open(folder: &Path, keys: Option<KeyRing>) -> Arc<dyn Engine> {
    let options = DurableOptions { keys, ..DurableOptions::unsynced(16 << 20) };
    Arc::new(DurableEngine::open(DataFolder::claim(folder).unwrap(), &options).unwrap())
}

fn sealing(sealed: bool) -> Policies {
    Policies { default: Policy { sealed, ..Policy::default() }, ..Policies::default() }
}

fn chosen_id(number: u8) -> SessionId {
    SessionId::parse(format!("chosen-by-the-caller-{number}")).unwrap()
}

fn attribute(name: u8, value: i8) -> Attribute {
    let value = value.cast_unsigned();
    // A bool or enum would do; bytes of one byte are the simplest value that shows each change.
    Attribute::from_wire(&[0x0a, 1, b'a' + name, 0x12, 3, 0x32, 1, value]).unwrap()
}

fn change(set: Option<(u8, i8)>, remove: Option<u8>) -> SessionChange {
    SessionChange {
        set_attributes: set.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        remove_attributes: remove.into_iter().map(|name| char::from(b'a' + name).to_string()).collect(),
        ..SessionChange::default()
    }
}

fn run(on_disk: bool, rings: Vec<Option<KeyRing>>, policies: &[bool], steps: &[Step]) {
    Runtime::new().unwrap().block_on(async {
        let mut world = World::new(on_disk, rings, policies.to_vec());
        for step in steps {
            world.take(step).await;
        }
        world.check_all().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn memory_keeps_to_the_model(steps in steps()) {
        run(false, vec![None], &[false], &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn sled_keeps_to_the_model(steps in steps()) {
        run(true, vec![None], &[false], &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]
    #[test]
    fn sled_keeps_to_the_model_while_keys_change(steps in steps()) {
        let [(_, one), (_, other)] = [new_key(), new_key()];
        // Each has both keys: what the one before began to encrypt anew may not be finished.
        let rings = [&[&one[..], &other][..], &[&other, &one], &["plain", &other, &one]];
        let rings = rings.into_iter().map(|lines| Some(ring(lines)));
        run(true, rings.collect(), &[false], &steps);
    }
}

/// Opened and sealed in turn: each time, some sessions are as the policy before left them.
const POLICIES: [bool; 4] = [true, true, false, false];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn memory_keeps_to_the_model_while_sessions_are_sealed(steps in steps()) {
        run(false, vec![None], &POLICIES, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn sled_keeps_to_the_model_while_sessions_are_sealed(steps in steps()) {
        run(true, vec![None], &POLICIES, &steps);
    }
}
