//! The same random calls get the same answers in a sealed namespace and in one that is not, through the Rust client.

use super::server;
use sessiond_client::proto::{
    BatchGetSessionsRequest, CreateSessionRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueHandoffRequest,
    LockSessionRequest, RedeemHandoffRequest, RotateSessionRequest, Session, SessionChange, UnlockSessionRequest,
    UpdateSessionRequest, VerifyCsrfTokenRequest,
};
use sessiond_client::{Client, Error, Lane};
use std::fmt::Debug;
use std::time::Duration;

const SHOP: &str = "https://shop.example";

/// One side: its IDs and what it was told. The other side has other IDs in the same places.
struct Side {
    client: Client,
    is_sealed: bool,
    ids: Vec<String>,
    tickets: Vec<String>,
    told: String,
}

impl Side {
    fn new(client: Client, is_sealed: bool) -> Self {
        Self { client, is_sealed, ids: Vec::new(), tickets: Vec::new(), told: String::new() }
    }

    /// What both sides must be told alike: no names and no times.
    fn note(&self, session: &Session) -> String {
        assert_eq!(session.sealed, self.is_sealed);
        let mut attributes: Vec<_> = session.attributes.iter().collect();
        attributes.sort_by_key(|(name, _)| *name);
        format!("{} {} {:?} {attributes:?}", session.version, session.principal, session.labels)
    }

    fn error<T: Debug>(answer: Result<T, Error>) -> String {
        answer.unwrap_err().to_string()
    }

    /// A call that is chosen by these numbers alone.
    async fn call(&mut self, rng: &mut fastrand::Rng, step: u32) {
        let client = self.client.clone();
        let id = self.ids.get(rng.usize(..self.ids.len().max(1))).cloned().unwrap_or("none-0123456789abcdef".into());
        let change = random_change(rng, step);
        self.told = match rng.usize(..13) {
            0 => {
                let new = CreateSessionRequest::new().principal("ada").attribute("first", i64::from(step));
                let chosen = format!("chosen-{}-0123456789", rng.usize(..6));
                let new = if rng.bool() { new } else { new.session_id(chosen) };
                match client.create(new).await {
                    Ok(created) => {
                        self.ids.push(created.session_id);
                        self.note(&created.session)
                    }
                    error => Self::error(error),
                }
            }
            1 => match client.get(&id).await {
                Ok(read) => self.note(&read.session),
                error => Self::error(error),
            },
            2 => match client.get(GetSessionRequest::new(&id).peek().unless_version(rng.u64(..6))).await {
                Ok(read) => format!("{} {}", read.not_modified, self.note(&read.session)),
                error => Self::error(error),
            },
            3 => match client.get(GetSessionRequest::new(&id).omit_attributes()).await {
                Ok(read) => self.note(&read.session),
                error => Self::error(error),
            },
            4 | 5 => self.updated(client.update(&id, change).await),
            6 => {
                self.updated(client.update_with(UpdateSessionRequest::new(&id, change).if_version(rng.u64(..6))).await)
            }
            7 => {
                let chosen = format!("upserted-{}-0123456789", rng.usize(..3));
                self.ids.push(chosen.clone());
                self.updated(client.update_with(UpdateSessionRequest::new(chosen, change).upsert()).await)
            }
            8 => {
                let rotation = RotateSessionRequest::new(&id).grace(Duration::from_secs(60 * rng.u64(..2)));
                let rotation = if rng.bool() { rotation } else { rotation.change(change) };
                match client.rotate(rotation).await {
                    Ok(rotated) => {
                        self.ids.push(rotated.session_id);
                        self.note(&rotated.session)
                    }
                    error => Self::error(error),
                }
            }
            9 => match client.issue_handoff(IssueHandoffRequest::new(&id, SHOP)).await {
                Ok(issued) => {
                    self.tickets.push(issued.ticket);
                    "issued".into()
                }
                error => Self::error(error),
            },
            10 => {
                let at = rng.usize(..self.tickets.len().max(1));
                let ticket = self.tickets.get(at).cloned().unwrap_or_default();
                let audience = if rng.u8(..5) == 0 { "https://other.example" } else { SHOP };
                match client.redeem_handoff(RedeemHandoffRequest::new(ticket, audience)).await {
                    Ok(redeemed) => {
                        self.ids.push(redeemed.session_id);
                        self.note(&redeemed.session)
                    }
                    error => Self::error(error),
                }
            }
            11 => self.many(rng, &id).await,
            _ => self.touched(rng, &id).await,
        };
    }

    fn updated(&self, answer: Result<sessiond_client::Updated, Error>) -> String {
        match answer {
            Ok(updated) => format!("{} {}", updated.created, self.note(&updated.session)),
            error => Self::error(error),
        }
    }

    /// Reads several at a time, or one under its lock.
    async fn many(&self, rng: &mut fastrand::Rng, id: &str) -> String {
        let client = &self.client;
        if rng.bool() {
            let ids: Vec<&str> = self.ids.iter().rev().take(5).map(String::as_str).collect();
            let results = client.batch_get(BatchGetSessionsRequest::new(ids).peek()).await;
            let note = |result: &Result<Session, Error>| match result {
                Ok(session) => self.note(session),
                Err(error) => error.to_string(),
            };
            return results.map_or_else(|error| error.to_string(), |all| all.iter().map(note).collect());
        }
        match client.lock(LockSessionRequest::new(id).include_session()).await {
            Ok(lock) => {
                let released = client.unlock(UnlockSessionRequest::new(id, lock.lock_token)).await;
                format!("{released:?} {}", self.note(&lock.session.unwrap()))
            }
            error => Self::error(error),
        }
    }

    /// Calls that need no attributes.
    async fn touched(&self, rng: &mut fastrand::Rng, id: &str) -> String {
        match rng.usize(..3) {
            0 => self
                .client
                .touch(id)
                .await
                .map_or_else(|error| error.to_string(), |touched| touched.version.to_string()),
            1 => match self.client.issue_csrf_token(IssueCsrfTokenRequest::new(id)).await {
                Ok(token) => {
                    format!("{:?}", self.client.verify_csrf_token(VerifyCsrfTokenRequest::new(id, token)).await)
                }
                error => Self::error(error),
            },
            _ if rng.u8(..4) == 0 => format!("{:?}", self.client.delete(id).await),
            _ => String::new(),
        }
    }
}

fn random_change(rng: &mut fastrand::Rng, step: u32) -> SessionChange {
    let mut change = SessionChange::new();
    for _ in 0..rng.usize(..4) {
        let name = format!("n{}", rng.usize(..8));
        change = match rng.u8(..9) {
            0..3 => change.set(name, i64::from(step)),
            // Several of them are too large together.
            3 | 4 => change.set(name, "long".repeat(rng.usize(..200))),
            5 => change.remove(format!("r{name}")),
            6 => change.clear(),
            7 => change.set_label("device", name),
            _ => change.set_principal(name),
        };
    }
    change
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_notices_nothing() {
    let mut server = server(&[]);
    for (lane, seed) in [(Lane::Auto, 1), (Lane::Unary, 2), (Lane::Auto, 3)] {
        let mut sides = Vec::new();
        for is_sealed in [false, true] {
            let namespace = if is_sealed { "sealed" } else { "plain" };
            let client = server.client_builder().namespace(namespace).lane(lane).connect_lazy().unwrap();
            sides.push(Side::new(client, is_sealed));
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        for step in 0..600 {
            let choice = rng.fork();
            for side in &mut sides {
                side.call(&mut choice.clone(), step).await;
            }
            assert_eq!(sides[0].told, sides[1].told, "seed {seed}, step {step}");
            if step % 150 == 149 {
                server.kill();
                server.restart();
                for side in &mut sides {
                    let namespace = if side.is_sealed { "sealed" } else { "plain" };
                    let client = server.client_builder().namespace(namespace).lane(lane);
                    side.client = client.connect_lazy().unwrap();
                }
            }
        }
        // Not all of it was refused.
        assert!(sides[0].ids.len() > 30 && !sides[0].tickets.is_empty());
        for side in &sides {
            side.client.revoke(sessiond_client::proto::RevokeSessionsRequest::whole_namespace()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_that_counts_is_the_plain_one() {
    let server = server(&[]);
    let mut refused = Vec::new();
    for namespace in ["plain", "sealed"] {
        let client = server.client_in(namespace);
        let new = |bytes: usize| CreateSessionRequest::new().attribute("a", "x".repeat(bytes));
        let fits = (1_900..2_048).rev();
        let mut largest = 0;
        for bytes in fits {
            match client.create(new(bytes)).await {
                Ok(created) => {
                    let read = client.get(&created.session_id).await.unwrap().session;
                    assert_eq!(read.attributes["a"].as_str().map(str::len), Some(bytes));
                    largest = bytes;
                    break;
                }
                Err(error) => refused.push((bytes, error.to_string())),
            }
        }
        assert!(largest > 2_000);
    }
    let (plain, sealed) = refused.split_at(refused.len() / 2);
    assert_eq!(plain, sealed);
}
