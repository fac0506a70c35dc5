//! Records histories of concurrent calls on a few sessions against the real server, and checks them for
//! linearizability.
//!
//! `SESSIOND_HISTORIES=1000 cargo test --test load linearizability::` is the long mode; without it there are 60 histories.

mod checker;

use crate::common::Server;
use checker::{Call, Handle, Id, Micros, Operation, Rotated};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RevokeSessionsRequest, RotateSessionRequest,
    SessionChange, Timeouts,
};
use sessiond_client::{Client, Error};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const SHORT: usize = 60;
const CLIENTS: usize = 8;
const CALLS_OF_EACH: usize = 12;
/// An idle timeout that is long enough for some calls to find a session, and short enough for others to see it expire.
const LIFETIME: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_histories_are_linearizable() {
    let histories = std::env::var("SESSIOND_HISTORIES").map_or(SHORT, |count| count.parse().unwrap());
    let server = Server::start_with(&["--sweep-interval", "100ms"]);
    let mut kinds = [0_usize; 2];
    for number in 0..histories {
        let history = record(&server, number).await;
        for operation in &history {
            kinds[usize::from(changed_something(&operation.call))] += 1;
        }
        assert!(checker::is_linearizable(&history), "history {number} is not linearizable:\n{}", show(&history));
    }
    // A test in which nothing ever happens would prove nothing.
    assert!(kinds[1] * 10 > kinds[0], "{} calls changed something, {} did not", kinds[1], kinds[0]);
    eprintln!("{histories} histories of {} calls are linearizable", CLIENTS * CALLS_OF_EACH);
}

async fn record(server: &Server, number: usize) -> Vec<Operation> {
    let family = Arc::new(Family {
        ids: [0, 1].map(|id| format!("history-{number}-id-number-{id}")),
        handles: Mutex::default(),
    });
    let together = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for client_number in 0..CLIENTS {
        let (family, together, client) = (Arc::clone(&family), Arc::clone(&together), server.client());
        clients.spawn(async move {
            let seed = [number as u64, client_number as u64, 0, 0].map(u64::to_le_bytes).concat();
            let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
            client.health("").await.unwrap();
            together.wait().await;
            let mut operations = Vec::new();
            for call_number in 0..CALLS_OF_EACH {
                let value = (client_number * CALLS_OF_EACH + call_number) as u64;
                let (choice, id) = (random.next_u32() % 16, (random.next_u32() % 2) as Id);
                let began = micros();
                let call = family.call(&client, choice, id, value).await;
                operations.push(Operation { began, ended: micros(), call });
            }
            operations
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

struct Family {
    ids: [String; 2],
    /// Handles that a client has seen.
    handles: Mutex<Vec<String>>,
}

impl Family {
    async fn call(&self, client: &Client, choice: u32, id: Id, value: u64) -> Call {
        let name = &self.ids[id];
        let number = i64::try_from(value).unwrap();
        match choice {
            0..4 => {
                let new = CreateSessionRequest::new()
                    .session_id(name)
                    .attribute("value", number)
                    .timeouts(Timeouts::new().absolute(LIFETIME));
                let made = found(client.create(new).await, &Error::SessionIdTaken);
                let made = made.map(|made| {
                    let expires = crate::common::millis(made.session.expire_time) * 1_000;
                    (self.see(made.session.handle), expires)
                });
                Call::Create { id, value, made }
            }
            4..8 => {
                let read = found(client.get(GetSessionRequest::new(name).peek()).await, &Error::SessionNotFound);
                let found = read.map(|read| {
                    let value = read.session.attributes["value"].as_i64().unwrap();
                    (self.see(read.session.handle), u64::try_from(value).unwrap(), read.session.version)
                });
                Call::Get { id, found }
            }
            8..11 => {
                let updated = client.update(name, SessionChange::new().set("value", number)).await;
                let version = found(updated, &Error::SessionNotFound).map(|updated| updated.session.version);
                Call::Update { id, value, version }
            }
            11 => {
                let touched = found(client.touch(name).await, &Error::SessionNotFound);
                Call::Touch { id, version: touched.map(|touched| touched.version) }
            }
            12..14 => {
                let rotation = RotateSessionRequest::new(name).new_session_id(&self.ids[1 - id]);
                let outcome = match client.rotate(rotation).await {
                    Ok(_) => Rotated::Done,
                    Err(Error::SessionNotFound) => Rotated::NotFound,
                    Err(Error::SessionIdTaken) => Rotated::Taken,
                    Err(error) => panic!("{error}"),
                };
                Call::Rotate { from: id, outcome }
            }
            14 => {
                let deleted = client.delete(DeleteSessionRequest::by_id(name).allow_missing()).await.unwrap();
                Call::Delete { id, deleted }
            }
            _ => {
                let seen = self.handles.lock().unwrap().last().cloned();
                // Before anyone has seen an ID, any other one will do.
                let handle = seen.unwrap_or_else(|| "01890000-0000-7000-8000-000000000000".into());
                let revoked = client.revoke(RevokeSessionsRequest::by_handles([&handle])).await.unwrap();
                Call::Revoke { handle: random_end(&handle), ended: revoked > 0 }
            }
        }
    }

    fn see(&self, handle: String) -> Handle {
        let end = random_end(&handle);
        self.handles.lock().unwrap().push(handle);
        end
    }
}

/// The last 48 bits of a handle are random.
fn random_end(handle: &str) -> Handle {
    Handle::from_str_radix(&handle[24..], 16).unwrap()
}

/// The answer, or `None` for the one refusal that is expected.
fn found<T>(result: Result<T, Error>, expected: &Error) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(error) if std::mem::discriminant(&error) == std::mem::discriminant(expected) => None,
        Err(error) => panic!("{error}"),
    }
}

fn changed_something(call: &Call) -> bool {
    match call {
        Call::Create { made, .. } => made.is_some(),
        Call::Update { version, .. } => version.is_some(),
        Call::Rotate { outcome, .. } => *outcome == Rotated::Done,
        Call::Delete { deleted, .. } => *deleted,
        Call::Revoke { ended, .. } => *ended,
        Call::Get { .. } | Call::Touch { .. } => false,
    }
}

fn show(history: &[Operation]) -> String {
    let mut sorted = history.to_vec();
    sorted.sort_by_key(|operation| operation.began);
    let start = sorted[0].began;
    let line = |operation: &Operation| {
        format!("{:>8} {:>8} us  {:?}\n", operation.began - start, operation.ended - start, operation.call)
    };
    sorted.iter().map(line).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test compares the server's clock with the system's")]
fn micros() -> Micros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Micros::try_from(since_epoch.as_micros()).unwrap()
}
