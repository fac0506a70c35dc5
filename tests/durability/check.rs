//! Compares a ledger with what the server has after a crash.

use crate::common::{LONG, after, millis, now};
use crate::entry::{Content, Entry, Finding, Promise};
use crate::history::History;
use crate::ledger::Ledger;
use crate::worker::Worker;
use crate::worker_notes::{BRIEF_NAMESPACE, Brief};
use sessiond_client::proto::{
    CountSessionsRequest, DeleteSessionRequest, EventKind, GetSessionRequest, ListSessionsRequest, Session,
    SessionChange, UpdateSessionRequest, Value,
};
use sessiond_client::{Client, Error, Event, Watch};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Dead IDs that are tried again after each crash.
const TRIED_AGAIN: usize = 200;
const MARKER_NAMESPACE: &str = "marker";
const MARKER: &str = "the-id-of-the-marker-session";

impl Ledger {
    /// Compares with what the server has, which then is what is known.
    pub(crate) async fn check(&mut self, client: &Client, crash: Instant) {
        let listed = self.list(client, "").await;
        let mut by_tag = HashMap::new();
        for session in listed {
            let tag = session.attributes.get("tag").and_then(|tag| tag.as_str()).unwrap_or_default().to_owned();
            if let Some(other) = by_tag.insert(tag, session) {
                self.report.add(Finding::Wrong(format!("listed twice: {other:?}")));
            }
        }
        self.settle_entries(&mut by_tag, crash);
        self.settle_shared(&mut by_tag, crash);
        for (tag, session) in by_tag {
            self.report.add(Finding::Revived(format!("{tag} is there: {} {}", session.handle, session.version)));
        }
        self.read_each(client).await;
        self.try_dead_ids(client).await;
        self.check_briefs(client).await;
        self.check_principals(client).await;
        self.end_strays(client).await;
        self.check_history(client).await;
    }

    async fn list(&mut self, client: &Client, principal: &str) -> Vec<Session> {
        let mut listing = client.list_all(ListSessionsRequest::new().principal(principal).full().page_size(40));
        let mut sessions = Vec::new();
        while let Some(session) = listing.next().await {
            sessions.push(session.unwrap());
        }
        let counted = client.count(CountSessionsRequest::new().principal(principal)).await.unwrap();
        if counted != sessions.len() as u64 {
            self.report.add(Finding::Wrong(format!("{} are listed, {counted} counted", sessions.len())));
        }
        sessions
    }

    fn settle_entries(&mut self, by_tag: &mut HashMap<String, Session>, crash: Instant) {
        for worker in &mut self.workers {
            for mut entry in std::mem::take(&mut worker.entries) {
                let settled = entry.settle(by_tag.remove(&entry.tag).as_ref(), self.promise, crash);
                self.report.lost_age = self.report.lost_age.max(settled.lost_age.unwrap_or_default());
                settled.finding.into_iter().for_each(|finding| self.report.add(finding));
                self.dead_ids.append(&mut entry.dead_ids);
                if entry.now().is_some() {
                    worker.entries.push(entry);
                } else if let Some(handle) = entry.handle.clone().filter(|_| !entry.told.is_empty()) {
                    if entry.perhaps_never_made {
                        self.perhaps_never_made.insert(handle.clone());
                    }
                    self.closed.insert(handle, entry.events());
                }
            }
        }
    }

    /// The version counts the changes of all workers; each worker's changes are in its own attribute.
    fn settle_shared(&mut self, by_tag: &mut HashMap<String, Session>, crash: Instant) {
        for number in 0..self.shared.len() {
            let Some(session) = by_tag.remove(&format!("shared-session-{number}")) else {
                self.report.add(Finding::Lost(format!("shared session {number}")));
                continue;
            };
            let mut sum = 0;
            for worker in &mut self.workers {
                let name = format!("worker-{}", worker.number);
                let value = session.attributes.get(&name).and_then(Value::as_i64).unwrap_or(0);
                let counter = &mut worker.counters[number];
                let kept = counter.acknowledged.iter().rev().find(|(_, at)| self.promise.covers(Some(*at), crash));
                let least = kept.map_or(counter.found, |(value, _)| *value);
                if value < least {
                    self.report.add(Finding::Lost(format!("shared session {number}: {name} has {value} of {least}")));
                } else if value > counter.sent {
                    self.report.add(Finding::Wrong(format!("shared session {number}: {name} counted {value}")));
                }
                counter.settle(value);
                sum += u64::try_from(value).unwrap_or_default();
            }
            let shared = &mut self.shared[number];
            shared.version = session.version;
            if session.version != 1 + sum || session.handle != shared.handle {
                let wrong = format!("shared session {number} has version {} after {sum} updates", session.version);
                self.report.add(Finding::Wrong(wrong));
            }
        }
    }

    /// An ID shows what the list shows.
    async fn read_each(&mut self, client: &Client) {
        let entries: Vec<Entry> = self.workers.iter().flat_map(|worker| worker.entries.iter().cloned()).collect();
        for entry in entries {
            let Some((Content { id: Some(id), version, attributes, .. }, handle)) =
                entry.now().zip(entry.handle.as_ref())
            else {
                continue;
            };
            match client.get(GetSessionRequest::new(id).peek()).await {
                Ok(read) => {
                    let session = read.session;
                    if (&session.handle, session.version, &session.attributes) != (handle, *version, attributes) {
                        self.report.add(Finding::Wrong(format!("{} reads otherwise than it is listed", entry.tag)));
                    }
                }
                Err(error) => self.report.add(Finding::Lost(format!("{} is listed but {error}", entry.tag))),
            }
        }
    }

    async fn try_dead_ids(&mut self, client: &Client) {
        let now = Instant::now();
        let (due, graced): (Vec<_>, Vec<_>) = self.dead_ids.drain(..).partition(|(_, from)| *from <= now);
        self.dead_ids = graced;
        self.rng.shuffle(&mut self.tried_ids);
        let again = self.tried_ids.iter().take(TRIED_AGAIN).cloned();
        let due: Vec<String> = due.into_iter().map(|(id, _)| id).collect();
        for id in &due.iter().cloned().chain(again).collect::<Vec<_>>() {
            match client.get(GetSessionRequest::new(id).peek()).await {
                Err(Error::SessionNotFound) => {}
                Ok(read) => self.report.add(Finding::Revived(format!("a dead ID opens {}", read.session.handle))),
                Err(error) => self.report.add(Finding::Wrong(format!("a dead ID: {error}"))),
            }
        }
        self.tried_ids.extend(due);
    }

    async fn check_briefs(&mut self, client: &Client) {
        for worker in &mut self.workers {
            for brief in worker.briefs.drain(..) {
                let Some(expires) = brief.expires else {
                    self.briefs.push(brief);
                    continue;
                };
                let asked = now();
                let request =
                    GetSessionRequest { namespace: BRIEF_NAMESPACE.into(), ..GetSessionRequest::new(&brief.id) };
                let found = client.get(request.peek()).await;
                let (expires, answered) = (millis(Some(expires)), now());
                let is_kept = matches!(self.promise, Promise::Everything);
                match found {
                    Ok(_) if asked >= expires => {
                        self.report.add(Finding::Revived(format!("{} reads after its end", brief.id)));
                    }
                    Err(Error::SessionNotFound) if answered < expires && is_kept => {
                        self.report.add(Finding::Lost(format!("{} before its end", brief.id)));
                    }
                    Ok(_) | Err(Error::SessionNotFound) => {}
                    Err(error) => self.report.add(Finding::Wrong(format!("{}: {error}", brief.id))),
                }
                self.briefs.push(brief);
            }
        }
    }

    async fn check_principals(&mut self, client: &Client) {
        let principals: Vec<String> = self.workers.iter().flat_map(Worker::principals).collect();
        for principal in principals {
            let listed = self.list(client, &principal).await;
            let listed: HashSet<String> = listed.into_iter().map(|session| session.handle).collect();
            let entries = self.workers.iter().flat_map(|worker| &worker.entries);
            let owned = entries.filter(|entry| entry.now().is_some_and(|state| state.principal == principal));
            let known: HashSet<String> = owned.filter_map(|entry| entry.handle.clone()).collect();
            if listed != known {
                let differ: Vec<_> = listed.symmetric_difference(&known).collect();
                self.report.add(Finding::Wrong(format!("the list of {principal} differs in {differ:?}")));
            }
        }
    }

    /// Ends sessions whose ID nobody knows: the answer that named it was lost.
    async fn end_strays(&mut self, client: &Client) {
        for entry in self.workers.iter_mut().flat_map(|worker| &mut worker.entries) {
            if let (Some(Content { id: None, .. }), Some(handle)) = (entry.now(), entry.handle.clone()) {
                entry.sends(EventKind::Deleted, None, Duration::ZERO);
                client.delete(DeleteSessionRequest::by_handle(handle)).await.unwrap();
                entry.acknowledge();
            }
        }
    }

    async fn check_history(&mut self, client: &Client) {
        if self.report.findings.is_empty() {
            match self.promise {
                Promise::Everything => self.catch_up(client).await,
                // A watcher may have seen events that are lost now. A watcher that begins at the start sees what is
                // there.
                Promise::OlderThan(_) => {
                    let sequence = std::mem::take(&mut self.history).seen().sequence;
                    self.catch_up(client).await;
                    if self.history.seen().sequence <= sequence {
                        self.report.add(Finding::Wrong(format!("the sequence is not beyond {sequence}")));
                    }
                }
            }
        }
    }

    /// Reads all events up to the newest, and compares them with the changes.
    async fn catch_up(&mut self, client: &Client) {
        let mut watch = match self.history.resume(client).await {
            Ok(watch) => watch,
            Err(error) => return self.report.add(Finding::Lost(format!("the history can't be resumed: {error}"))),
        };
        if !self.read_to_marker(client, &mut watch).await {
            return self.report.add(Finding::Lost("the newest event does not come".into()));
        }
        let history = self.history.clone();
        let seen = history.seen();
        let mut expected = self.closed.clone();
        for entry in self.workers.iter().flat_map(|worker| &worker.entries) {
            expected.insert(entry.handle.clone().unwrap_or_default(), entry.events());
        }
        for shared in &self.shared {
            let updates = (2..=shared.version).map(|version| (EventKind::Updated, version));
            expected.insert(shared.handle.clone(), [(EventKind::Created, 1)].into_iter().chain(updates).collect());
        }
        for disorder in &seen.disorder {
            self.report.add(Finding::Wrong(disorder.clone()));
        }
        for ((namespace, handle), told) in &seen.sessions {
            if ![BRIEF_NAMESPACE, MARKER_NAMESPACE].contains(&&**namespace) && expected.get(handle) != Some(told) {
                let expected = expected.get(handle);
                self.report.add(Finding::Wrong(format!("the history of {handle} is {told:?}, not {expected:?}")));
            }
        }
        for (handle, events) in &expected {
            let must_be_told = !events.is_empty() && !self.perhaps_never_made.contains(handle);
            if must_be_told && !seen.sessions.contains_key(&("default".to_owned(), handle.clone())) {
                self.report.add(Finding::Lost(format!("the history tells nothing of {handle}: {events:?}")));
            }
        }
        for brief in &self.briefs {
            let told = seen.principals.get(&brief.id).map_or(&[][..], Vec::as_slice);
            let acknowledged = brief.acknowledged.is_some() && matches!(self.promise, Promise::Everything);
            let right = match told {
                [] => !acknowledged,
                [EventKind::Created] | [EventKind::Created, EventKind::Expired] => true,
                _ => false,
            };
            if !right {
                self.report.add(Finding::Wrong(format!("the history of {} is {told:?}", brief.id)));
            }
        }
    }

    async fn read_to_marker(&mut self, client: &Client, watch: &mut Watch) -> bool {
        let change = SessionChange::new().set("marker", i64::try_from(self.report.crashes).unwrap());
        let request = UpdateSessionRequest::new(MARKER, change).upsert();
        let request = UpdateSessionRequest { namespace: MARKER_NAMESPACE.into(), ..request };
        let marker = client.update_with(request).await.unwrap().session;
        if marker.version != self.marker + 1 && matches!(self.promise, Promise::Everything) {
            self.report.add(Finding::Lost(format!("the marker has version {} after {}", marker.version, self.marker)));
        }
        self.marker = marker.version;
        let is_marker =
            |event: &Event| event.session.handle == marker.handle && event.session.version == marker.version;
        loop {
            let before = self.history.seen().sequence;
            let reading = self.history.read_until(watch, is_marker);
            match tokio::time::timeout(LONG, reading).await {
                Ok(came) => return came,
                // After many crashes the history is long. It may take long to read, as long as it makes progress.
                Err(_) if self.history.seen().sequence > before => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits until all brief sessions have expired, and looks at the whole history from its start.
    pub(crate) async fn finish(&mut self, client: &Client) {
        let last = self.briefs.iter().filter_map(|brief| brief.expires).map(|end| millis(Some(end))).max();
        after(last.unwrap_or_default()).await;
        client.sweep_now().await.unwrap();
        if self.report.findings.is_empty() {
            self.history = History::default();
            self.catch_up(client).await;
        }
        let seen = self.history.seen();
        let ended = |brief: &Brief| {
            let told = seen.principals.get(&brief.id);
            told.is_none_or(|told| told.last() == Some(&EventKind::Expired))
        };
        let unended = self.briefs.iter().filter(|brief| brief.expires.is_some() && !ended(brief)).count();
        drop(seen);
        if unended > 0 {
            self.report.add(Finding::Lost(format!("{unended} expired sessions have no such event")));
        }
    }
}
