//! The session of a request, as handlers use it.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sessiond_client::json::{from_data, to_data};
use sessiond_client::proto::{Session as Stored, Value};

use crate::changes::Changes;
use crate::manager::{Labels, Lifetime, Manager};

/// The attribute that says that the cookie survives the end of the browser; no value of the site.
pub(crate) const PERSISTENT: &str = "sessiond_axum.persistent";

/// What the store keeps of one visitor, as far as this request knows; an extractor of axum. Clones are the same session. What is
/// changed after the handler has answered is not stored.
#[derive(Clone)]
pub struct Session {
    manager: Arc<Manager>,
    /// Of the request, for the list of devices.
    labels: Option<Labels>,
    state: Arc<Mutex<State>>,
    /// Held by the task that stores, so that a new session is made once.
    pub(crate) storing: Arc<tokio::sync::Mutex<()>>,
}

pub(crate) struct State {
    /// None while the session is not stored.
    pub(crate) id: Option<String>,
    pub(crate) stored: Option<Stored>,
    pub(crate) changes: Changes,
    pub(crate) lifetime: Lifetime,
    /// The session that the visitor has logged out of, until it is deleted.
    pub(crate) ends: Option<String>,
    pub(crate) has_ended: bool,
    /// How often the visitor has logged out, so that what is being stored meanwhile is ended too.
    pub(crate) log_outs: u32,
    pub(crate) sets_cookie: bool,
    /// The request has a cookie that leads nowhere.
    pub(crate) has_stale_cookie: bool,
}

impl State {
    /// Makes a stored session this one.
    pub(crate) fn take(&mut self, id: String, mut stored: Stored) {
        let persistent = stored.attributes.remove(PERSISTENT).and_then(|value| value.as_bool());
        self.lifetime.persistent = persistent.unwrap_or(false);
        (self.id, self.stored, self.changes) = (Some(id), Some(stored), Changes::default());
    }

    fn value(&self, name: &str) -> Option<&Value> {
        match self.changes.values.get(name) {
            Some(changed) => changed.as_ref(),
            None if self.changes.clears => None,
            None => self.stored.as_ref()?.attributes.get(name),
        }
    }
}

impl Session {
    pub(crate) fn new(manager: Arc<Manager>, labels: Option<Labels>) -> Self {
        let state = State {
            id: None,
            stored: None,
            changes: Changes::default(),
            lifetime: manager.lifetime,
            ends: None,
            has_ended: false,
            log_outs: 0,
            sets_cookie: false,
            has_stale_cookie: false,
        };
        Self { manager, labels, state: Arc::new(Mutex::new(state)), storing: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn manager(&self) -> &Manager {
        &self.manager
    }

    pub(crate) fn labels(&self) -> Option<Labels> {
        self.labels.clone()
    }

    /// Whether the visitor has no session in the store yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.lock().id.is_none()
    }

    /// The session as it was last loaded or stored, with its times and labels; `None` while it is new.
    #[must_use]
    pub fn stored(&self) -> Option<Stored> {
        self.lock().stored.clone()
    }

    /// Names the session in logs and lists; `None` while it is new.
    #[must_use]
    pub fn handle(&self) -> Option<String> {
        self.lock().stored.as_ref().map(|stored| stored.handle.clone())
    }

    /// The user that the session belongs to; `None` while nobody is logged in.
    #[must_use]
    pub fn principal(&self) -> Option<String> {
        let state = self.lock();
        let stored = || state.stored.as_ref().map(|stored| stored.principal.clone());
        state.changes.principal.clone().or_else(stored).filter(|principal| !principal.is_empty())
    }

    /// The value of this name; `None` if there is none, or one of another shape.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let data = self.lock().value(name).cloned().map(to_data)?;
        serde_json::from_value(data).ok()
    }

    /// The value of this name as other languages see it.
    #[must_use]
    pub fn get_value(&self, name: &str) -> Option<Value> {
        self.lock().value(name).cloned()
    }

    /// The names that have values, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let state = self.lock();
        let stored = state.stored.iter().flat_map(|stored| stored.attributes.keys());
        let mut names: Vec<_> = stored.chain(state.changes.values.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| state.value(name).is_some());
        names
    }

    /// Gives this name a value: any that serde makes JSON of. What changes within a value must be set again.
    pub fn insert(&self, name: impl Into<String>, value: impl Serialize) -> Result<(), serde_json::Error> {
        let value = from_data(serde_json::to_value(value)?);
        self.insert_value(name, value);
        Ok(())
    }

    /// Gives this name a value of the contract, such as bytes or a moment.
    pub fn insert_value(&self, name: impl Into<String>, value: impl Into<Value>) {
        self.lock().changes.values.insert(name.into(), Some(value.into()));
    }

    /// Removes the value of this name, and answers it.
    pub fn remove<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.get(name);
        let mut state = self.lock();
        if state.value(name).is_some() {
            state.changes.values.insert(name.to_owned(), None);
        }
        value
    }

    /// Removes all values, also those that another request sets meanwhile.
    pub fn clear(&self) {
        let changes = &mut self.lock().changes;
        changes.clears = true;
        changes.values.clear();
    }

    /// Makes the session the user's, under a new ID, in one atomic step: what an attacker knew of it is worth nothing. Values
    /// stay; [`clear`](Self::clear) them first if another user was logged in.
    pub fn log_in(&self, principal: impl Into<String>) {
        let changes = &mut self.lock().changes;
        changes.principal = Some(principal.into());
        changes.renews = true;
        changes.labels.clone_from(&self.labels);
    }

    /// Gives the session a new ID, as at every change of what the user may do.
    pub fn renew(&self) {
        self.lock().changes.renews = true;
    }

    /// Ends the session and forgets its values. What is set afterwards goes into a new session.
    pub fn log_out(&self) {
        let mut state = self.lock();
        state.log_outs += 1;
        let id = state.id.take();
        state.ends = id.or_else(|| mem::take(&mut state.ends));
        (state.stored, state.changes) = (None, Changes::default());
        (state.lifetime, state.sets_cookie) = (self.manager.lifetime, false);
    }

    /// Gives this session another lifetime than that of the layer.
    pub fn set_lifetime(&self, lifetime: Lifetime) {
        let mut state = self.lock();
        (state.lifetime, state.changes.lifetime) = (lifetime, true);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the ID nor values.
        f.debug_struct("Session").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = (StatusCode::INTERNAL_SERVER_ERROR, "This route has no SessionLayer.");
        parts.extensions.get().cloned().ok_or(missing)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
