//! One client under load. It changes its own sessions, and its own attribute in shared sessions.

use crate::entry::{Content, Entry};
use crate::worker_notes::{BRIEF_NAMESPACE, Brief, Counter, Tally};
use fastrand::Rng;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, EventKind, GetSessionRequest, RevokeSessionsRequest,
    RotateSessionRequest, SessionChange, Timeouts, UpdateSessionRequest, Value,
};
use sessiond_client::{Client, Error};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// About how many live sessions a worker has.
const OPEN: usize = 16;
/// Rows are split above 20 KiB, so these sessions take two to ten rows.
const LARGE: std::ops::Range<usize> = 25_000..200_000;
/// Short enough to be swept while the load goes on.
const BRIEF: std::ops::Range<u64> = 50..1_500;

/// Why a worker stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server is gone.
    Crash,
    /// An answer that no client should get.
    Finding(String),
}

pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) entries: Vec<Entry>,
    pub(crate) briefs: Vec<Brief>,
    /// One for each shared session.
    pub(crate) counters: Vec<Counter>,
    pub(crate) finding: Option<String>,
    rng: Rng,
    /// One of so many sessions is large.
    large_every: u8,
    names: u64,
    tally: Arc<Tally>,
}

impl Worker {
    pub(crate) fn new(number: usize, seed: u64, shared: usize, large_every: u8, tally: Arc<Tally>) -> Self {
        let counters = vec![Counter { found: 0, sent: 0, acknowledged: Vec::new() }; shared];
        let rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number as u64));
        Self {
            number,
            entries: Vec::new(),
            briefs: Vec::new(),
            counters,
            finding: None,
            rng,
            large_every,
            names: 0,
            tally,
        }
    }

    /// Works until the server is gone.
    pub(crate) async fn work(mut self, client: Client, shared: Arc<Vec<String>>) -> Self {
        loop {
            match self.step(&client, &shared).await {
                Ok(()) => {}
                Err(Stop::Crash) => return self,
                Err(Stop::Finding(finding)) => {
                    self.finding = Some(finding);
                    return self;
                }
            }
        }
    }

    /// How many changes were sent and never answered.
    pub(crate) fn in_doubt(&self) -> usize {
        let sessions = self.entries.iter().filter(|entry| entry.is_in_doubt()).count();
        let briefs = self.briefs.iter().filter(|brief| brief.acknowledged.is_none()).count();
        sessions + briefs + self.counters.iter().filter(|counter| counter.is_in_doubt()).count()
    }

    /// The names of the principals that only this worker uses.
    pub(crate) fn principals(&self) -> impl Iterator<Item = String> + use<> {
        let number = self.number;
        (0..3).map(move |nth| format!("worker-{number}-principal-{nth}"))
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}-of-worker-{}-number-{}", self.number, self.names)
    }

    fn principal(&mut self) -> String {
        let nth = self.rng.usize(0..4);
        self.principals().nth(nth).unwrap_or_default()
    }

    /// A random session that is there and whose ID is known.
    fn pick(&mut self) -> Option<usize> {
        let open = |entry: &Entry| entry.now().is_some_and(|state| state.id.is_some());
        let places: Vec<usize> = (0..self.entries.len()).filter(|place| open(&self.entries[*place])).collect();
        (places.len() >= OPEN / 2).then(|| places[self.rng.usize(..places.len())])
    }

    async fn step(&mut self, client: &Client, shared: &[String]) -> Result<(), Stop> {
        if self.rng.u8(..12) == 0 {
            return self.create_brief(client).await;
        }
        if self.rng.u8(..4) == 0 {
            return self.count_up(client, shared).await;
        }
        let open = self.entries.iter().filter(|entry| entry.now().is_some()).count();
        let Some(place) = self.pick().filter(|_| open < 2 * OPEN) else {
            return if open < 2 * OPEN { self.create(client).await } else { self.revoke_principal(client).await };
        };
        match self.rng.u8(..24) {
            0..3 => self.create(client).await,
            3..6 => self.rotate(client, place).await,
            6..8 => self.delete(client, place).await,
            8 => self.revoke_principal(client).await,
            9 => self.revoke_handles(client, place).await,
            10 => self.touch(client, place).await,
            11..13 => self.read(client, place).await,
            _ => self.update(client, place).await,
        }
    }

    async fn create(&mut self, client: &Client) -> Result<(), Stop> {
        let tag = self.name("session");
        let id = if self.rng.bool() { Some(self.name("chosen-id")) } else { None };
        let mut attributes = BTreeMap::from([("tag".to_owned(), Value::from(tag.clone()))]);
        if self.rng.u8(..self.large_every) == 0 {
            attributes.insert("blob".into(), self.blob());
        }
        let principal = self.principal();
        let mut entry = Entry::new(tag);
        let state =
            Content { id: id.clone(), version: 1, principal: principal.clone(), attributes: attributes.clone() };
        entry.sends(EventKind::Created, Some(state), Duration::ZERO);
        self.entries.push(entry);
        let place = self.entries.len() - 1;
        let answer = match id {
            Some(id) if self.rng.bool() => {
                let change =
                    SessionChange { set_attributes: attributes, principal: Some(principal), ..SessionChange::new() };
                let upsert = UpdateSessionRequest::new(&id, change).upsert();
                client.update_with(upsert).await.map(|updated| (id, updated.session))
            }
            id => {
                let request = CreateSessionRequest {
                    session_id: id.unwrap_or_default(),
                    principal,
                    attributes,
                    ..CreateSessionRequest::new()
                };
                client.create(request).await.map(|created| (created.session_id, created.session))
            }
        };
        let (id, session) = self.answered(answer, &[place])?.unwrap_or_default();
        if id.is_empty() {
            self.entries.pop();
            return Ok(());
        }
        self.entries[place].handle = Some(session.handle);
        self.set_id(place, id);
        Ok(())
    }

    /// Sets one attribute and leaves the others, or removes one, or moves the session to another principal.
    fn change(&mut self, place: usize) -> (SessionChange, Content) {
        let mut next = self.entries[place].now().cloned().unwrap_or_else(|| unreachable!("a picked session is there"));
        let mut change = SessionChange::new();
        next.version += 1;
        let name = format!("attribute-{}", self.rng.u8(..6));
        let number = i64::try_from(next.version).unwrap_or(i64::MAX);
        match self.rng.u8(..10) {
            0 => {
                let principal = self.principal();
                change = change.set_principal(&principal);
                next.principal = principal;
            }
            1 if next.attributes.contains_key(&name) => {
                change = change.remove(&name);
                next.attributes.remove(&name);
            }
            2 if next.attributes.contains_key("blob") => {
                let blob = self.blob();
                change = change.set("blob", blob.clone());
                next.attributes.insert("blob".into(), blob);
            }
            _ => {
                change = change.set(&name, number);
                next.attributes.insert(name, number.into());
            }
        }
        (change, next)
    }

    async fn update(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let (change, next) = self.change(place);
        let (id, version) = (next.id.clone().unwrap_or_default(), next.version);
        self.entries[place].sends(EventKind::Updated, Some(next), Duration::ZERO);
        let answer = client.update(&id, change).await;
        match self.answered(answer, &[place])? {
            Some(updated) => self.expect(updated.session.version == version, place, "an update has another version"),
            None => Ok(()),
        }
    }

    async fn rotate(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let (change, mut next) = self.change(place);
        let version = next.version;
        let old = next.id.take().unwrap_or_default();
        next.id = if self.rng.bool() { Some(self.name("rotated-id")) } else { None };
        let grace =
            if self.rng.u8(..3) == 0 { Duration::from_millis(self.rng.u64(100..3_000)) } else { Duration::ZERO };
        let request = RotateSessionRequest::new(&old).change(change).grace(grace);
        let request = next.id.iter().fold(request, RotateSessionRequest::new_session_id);
        self.entries[place].sends(EventKind::Rotated, Some(next), grace);
        let answer = client.rotate(request).await;
        let Some(rotated) = self.answered(answer, &[place])? else { return Ok(()) };
        self.set_id(place, rotated.session_id);
        self.expect(rotated.session.version == version, place, "a rotation has another version")
    }

    async fn delete(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let handle = self.entries[place].handle.clone().filter(|_| self.rng.bool());
        let id = self.entries[place].now().and_then(|state| state.id.clone()).unwrap_or_default();
        self.entries[place].sends(EventKind::Deleted, None, Duration::ZERO);
        let answer =
            client.delete(handle.map_or_else(|| DeleteSessionRequest::by_id(id), DeleteSessionRequest::by_handle));
        let answer = answer.await;
        self.answered(answer, &[place]).map(drop)
    }

    async fn revoke_principal(&mut self, client: &Client) -> Result<(), Stop> {
        let Some(principal) = self.principals().nth(self.rng.usize(0..3)) else { return Ok(()) };
        let owned = |entry: &Entry| entry.now().is_some_and(|state| state.principal == principal);
        let places: Vec<usize> = (0..self.entries.len()).filter(|place| owned(&self.entries[*place])).collect();
        self.revoke(client, RevokeSessionsRequest::of_principal(&principal), &places).await
    }

    async fn revoke_handles(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let other = self.pick().filter(|other| *other != place);
        let places: Vec<usize> = [Some(place), other].into_iter().flatten().collect();
        let handles: Vec<String> = places.iter().filter_map(|place| self.entries[*place].handle.clone()).collect();
        self.revoke(client, RevokeSessionsRequest::by_handles(handles), &places).await
    }

    async fn revoke(&mut self, client: &Client, request: RevokeSessionsRequest, places: &[usize]) -> Result<(), Stop> {
        for place in places {
            self.entries[*place].sends(EventKind::Revoked, None, Duration::ZERO);
        }
        let answer = client.revoke(request).await;
        match self.answered(answer, places)? {
            Some(count) if count != places.len() as u64 => {
                Err(Stop::Finding(format!("a revocation ended {count} sessions instead of {}", places.len())))
            }
            _ => Ok(()),
        }
    }

    async fn touch(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let id = self.entries[place].now().and_then(|state| state.id.clone()).unwrap_or_default();
        let answer = client.touch(id).await;
        self.answered(answer, &[]).map(drop)
    }

    /// Reads what was just written.
    async fn read(&mut self, client: &Client, place: usize) -> Result<(), Stop> {
        let known = self.entries[place].now().cloned().unwrap_or_else(|| unreachable!("a picked session is there"));
        let answer = client.get(GetSessionRequest::new(known.id.as_deref().unwrap_or_default()).peek()).await;
        match self.answered(answer, &[])? {
            Some(read) => {
                let same = (read.session.version, read.session.attributes) == (known.version, known.attributes);
                self.expect(same, place, "a read shows another state than the last write")
            }
            None => Ok(()),
        }
    }

    async fn create_brief(&mut self, client: &Client) -> Result<(), Stop> {
        let id = self.name("brief-session");
        let lifetime = Duration::from_millis(self.rng.u64(BRIEF));
        self.briefs.push(Brief { id: id.clone(), expires: None, acknowledged: None });
        let request = CreateSessionRequest::new().session_id(&id).principal(&id);
        let request = CreateSessionRequest { namespace: BRIEF_NAMESPACE.into(), ..request };
        let answer = client.create(request.timeouts(Timeouts::new().absolute(lifetime))).await;
        match (self.answered(answer, &[])?, self.briefs.last_mut()) {
            (Some(created), Some(brief)) => {
                brief.expires = created.session.expire_time;
                brief.acknowledged = Some(Instant::now());
            }
            _ => drop(self.briefs.pop()),
        }
        Ok(())
    }

    /// Adds one to the own attribute of a shared session.
    async fn count_up(&mut self, client: &Client, shared: &[String]) -> Result<(), Stop> {
        if shared.is_empty() {
            return Ok(());
        }
        let nth = self.rng.usize(..shared.len());
        let next = self.counters[nth].sent + 1;
        self.counters[nth].sent = next;
        let answer =
            client.update(&shared[nth], SessionChange::new().set(format!("worker-{}", self.number), next)).await;
        if self.answered(answer, &[])?.is_some() {
            self.counters[nth].acknowledged.push((next, Instant::now()));
        } else {
            self.counters[nth].sent = next - 1;
        }
        Ok(())
    }

    /// Sorts an answer: acknowledged, refused for want of space (`None`), or in doubt.
    fn answered<T>(&mut self, answer: Result<T, Error>, places: &[usize]) -> Result<Option<T>, Stop> {
        match answer {
            Ok(answer) => {
                self.tally.acknowledged.fetch_add(1, Ordering::Relaxed);
                for place in places {
                    self.entries[*place].acknowledge();
                }
                Ok(Some(answer))
            }
            Err(Error::StorageFull { .. }) => {
                self.tally.refused.fetch_add(1, Ordering::Relaxed);
                for place in places {
                    self.entries[*place].refused();
                }
                Ok(None)
            }
            Err(
                Error::Unavailable { .. }
                | Error::NotReady { .. }
                | Error::Internal { .. }
                | Error::DeadlineExceeded { .. }
                | Error::Other { .. },
            ) => Err(Stop::Crash),
            Err(error) => {
                let tag = places.first().map_or("a shared or brief session", |place| &self.entries[*place].tag);
                Err(Stop::Finding(format!("{tag}: {error}")))
            }
        }
    }

    fn expect(&self, holds: bool, place: usize, what: &str) -> Result<(), Stop> {
        if holds { Ok(()) } else { Err(Stop::Finding(format!("{}: {what}", self.entries[place].tag))) }
    }

    fn set_id(&mut self, place: usize, id: String) {
        if let Some(state) = self.entries[place].steps.last_mut().and_then(|step| step.state.as_mut()) {
            state.id = Some(id);
        }
    }

    fn blob(&mut self) -> Value {
        let length = self.rng.usize(LARGE);
        let seed = self.rng.u64(..);
        let mut bytes = Rng::with_seed(seed);
        Value::from(std::iter::repeat_with(|| bytes.u8(..)).take(length).collect::<Vec<u8>>())
    }
}
