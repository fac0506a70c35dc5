//! Tests that a crash loses no acknowledged change and revives no ended session.

use crate::common::{Server, eventually, millis, now};
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange, UpdateSessionRequest,
};
use sessiond_client::{Client, Error};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// A random number below `end`.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// The state of a session: the ID that opens it and the number in it, or gone.
#[derive(Clone, Debug, PartialEq)]
enum State {
    There(String, i64),
    Gone,
}

/// What a client knows about one session.
#[derive(Debug)]
struct Entry {
    /// What was acknowledged.
    known: State,
    /// What the session also may be: a change was sent, and no answer came.
    perhaps: Option<State>,
    /// IDs that were acknowledged to be dead.
    dead: Vec<String>,
}

/// One client and the sessions that only it changes.
#[derive(Debug, Default)]
struct Ledger {
    client: u64,
    ids: u64,
    entries: Vec<Entry>,
}

impl Ledger {
    fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("client-{}-session-id-{}", self.client, self.ids)
    }

    /// Works until the server is gone.
    async fn work(mut self, client: Client, acknowledged: Arc<AtomicUsize>) -> Self {
        loop {
            if self.step(&client).await.is_err() {
                return self;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn step(&mut self, client: &Client) -> Result<(), Error> {
        let choice = random(10);
        let open = self.entries.iter().filter(|entry| entry.known != State::Gone).count();
        if open < 8 || choice == 0 {
            let id = self.next_id();
            let there = State::There(id.clone(), 0);
            self.entries.push(Entry { known: State::Gone, perhaps: Some(there), dead: Vec::new() });
            // Applications create a session under an ID of their own in two ways: by a create and by an upsert. An ID
            // that the server mints would be lost without its answer.
            if choice.is_multiple_of(2) {
                client.create(CreateSessionRequest::new().session_id(id).attribute("n", 0)).await?;
            } else {
                let change = SessionChange::new().set("n", 0);
                client.update_with(UpdateSessionRequest::new(id, change).upsert()).await?;
            }
            self.entries.last_mut().unwrap().settle();
            return Ok(());
        }
        let next_id = self.next_id();
        let nth = usize::try_from(random(open as u64)).unwrap();
        let entry = self.entries.iter_mut().filter(|entry| entry.known != State::Gone).nth(nth).unwrap();
        let State::There(id, n) = entry.known.clone() else { unreachable!("the others are filtered out") };
        match choice {
            1 => {
                entry.perhaps = Some(State::Gone);
                client.delete(&id).await?;
                entry.dead.push(id);
            }
            2 | 3 => {
                entry.perhaps = Some(State::There(next_id.clone(), n + 1));
                let change = SessionChange::new().set("n", n + 1);
                client.rotate(RotateSessionRequest::new(&id).new_session_id(next_id).change(change)).await?;
                entry.dead.push(id);
            }
            4 => {
                client.touch(&id).await?;
                return Ok(());
            }
            _ => {
                entry.perhaps = Some(State::There(id.clone(), n + 1));
                client.update(&id, SessionChange::new().set("n", n + 1)).await?;
            }
        }
        entry.settle();
        Ok(())
    }

    /// Compares with what the server has, which then is what is known.
    async fn check(&mut self, client: &Client) {
        for entry in &mut self.entries {
            for id in &entry.dead {
                assert_eq!(client.get(id).await.err(), Some(Error::SessionNotFound), "revived: {entry:?}");
            }
            let mut found = Vec::new();
            for state in [Some(&entry.known), entry.perhaps.as_ref()].into_iter().flatten() {
                if let State::There(id, _) = state
                    && let Ok(read) = client.get(id).await
                {
                    found.push(State::There(id.clone(), read.session.attributes["n"].as_i64().unwrap()));
                }
            }
            found.dedup();
            let found = if found.is_empty() { vec![State::Gone] } else { found };
            let [found] = &found[..] else { panic!("two IDs open what has one: {found:?} {entry:?}") };
            assert!(*found == entry.known || Some(found) == entry.perhaps.as_ref(), "lost: {found:?} {entry:?}");
            entry.perhaps = Some(found.clone());
            entry.settle();
        }
    }
}

impl Entry {
    /// The change was acknowledged.
    fn settle(&mut self) {
        self.known = self.perhaps.take().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_lose_nothing_acknowledged_and_revive_nothing_ended() {
    let mut server = Server::start_with(&["--durability", "always", "--touch-interval", "100ms"]);
    let mut ledgers: Vec<Ledger> = (0..8).map(|client| Ledger { client, ..Ledger::default() }).collect();
    for _ in 0..5 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for ledger in ledgers.drain(..) {
            workers.spawn(ledger.work(server.client(), Arc::clone(&acknowledged)));
        }
        let enough = 200 + usize::try_from(random(400)).unwrap();
        eventually("enough is acknowledged", async || acknowledged.load(Ordering::Relaxed) > enough).await;
        server.kill();
        ledgers = workers.join_all().await;

        server.restart();
        let client = server.client();
        for ledger in &mut ledgers {
            ledger.check(&client).await;
        }
    }
    let dead: usize = ledgers.iter().flat_map(|ledger| &ledger.entries).map(|entry| entry.dead.len()).sum();
    assert!(dead > 20, "hardly anything was ended: {dead}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touch_survives_a_crash_once_it_is_written_back() {
    let mut server = Server::start_with(&["--touch-interval", "100ms"]);
    let client = server.client();
    let created = client.create(CreateSessionRequest::new()).await.unwrap();
    eventually("time passes", async || now() > millis(created.session.create_time) + 20).await;
    let touched = client.touch(&created.session_id).await.unwrap();
    assert_ne!(Some(touched.expire_time), created.session.expire_time);
    // Nothing shows the write-back, so this waits for many times its interval.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill();

    server.restart();
    let read = server.client().get(GetSessionRequest::new(&created.session_id).peek()).await.unwrap();
    assert_eq!(read.session.expire_time, Some(touched.expire_time));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_makes_a_touched_session_end_earlier_but_never_later() {
    let mut server = Server::start_with(&["--touch-interval", "5m"]);
    let client = server.client();
    let created = client.create(CreateSessionRequest::new()).await.unwrap();
    eventually("time passes", async || now() > millis(created.session.create_time) + 20).await;
    let touched = client.touch(&created.session_id).await.unwrap();
    server.kill();

    server.restart();
    let read = server.client().get(GetSessionRequest::new(&created.session_id).peek()).await.unwrap();
    let end = millis(read.session.expire_time);
    assert!(end >= millis(created.session.expire_time) && end <= millis(Some(touched.expire_time)));
}
