//! Storing what a request has changed.

use std::mem;
use std::time::Duration;

use http::HeaderMap;
use sessiond_client::Error as StoreError;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, RotateSessionRequest, Session as Stored, SessionChange,
};

use crate::changes::Changes;
use crate::error::Error;
use crate::manager::Lifetime;
use crate::session::{PERSISTENT, Session};

impl Session {
    /// Ends what the visitor has logged out of, stores what has changed if the request did its work, and sets the cookie.
    pub(crate) async fn save(&self, stores: bool, headers: &mut HeaderMap) -> Result<(), Error> {
        self.end().await?;
        // A visitor of whom there is nothing to know gets no session.
        let has_content = || !self.names().is_empty() || self.principal().is_some();
        if stores && (!self.is_new() || has_content()) {
            self.store().await?;
        }
        let state = self.lock();
        let cookie = &self.manager().cookie;
        match &state.id {
            Some(id) if state.sets_cookie => cookie.write(headers, id, cookie_lifetime(state.lifetime)),
            _ if state.id.is_none() && (state.has_ended || state.has_stale_cookie) => cookie.remove(headers),
            _ => {}
        }
        Ok(())
    }

    /// The ID that the session will have: one that is new, or is to get a new ID, is stored now.
    pub(crate) async fn stored_id(&self) -> Result<String, Error> {
        self.end().await?;
        let is_due = {
            let state = self.lock();
            state.id.is_none() || state.changes.renews
        };
        if is_due {
            self.store().await?;
        }
        self.lock().id.clone().ok_or(Error::Ended)
    }

    async fn end(&self) -> Result<(), Error> {
        let _storing = self.storing.lock().await;
        let Some(id) = self.lock().ends.clone() else { return Ok(()) };
        self.manager().client.delete(DeleteSessionRequest::by_id(id).allow_missing()).await?;
        let mut state = self.lock();
        (state.ends, state.has_ended) = (None, true);
        Ok(())
    }

    async fn store(&self) -> Result<(), Error> {
        let _storing = self.storing.lock().await;
        let (id, changes, lifetime, log_outs) = {
            let mut state = self.lock();
            if state.id.is_some() && state.changes.is_none() {
                return Ok(());
            }
            (state.id.clone(), mem::take(&mut state.changes), state.lifetime, state.log_outs)
        };
        match self.send(id.as_deref(), &changes, lifetime).await {
            Ok((new_id, stored)) => {
                let mut state = self.lock();
                if state.log_outs != log_outs {
                    state.ends = Some(new_id);
                    return Ok(());
                }
                state.sets_cookie |= id.as_ref() != Some(&new_id) || changes.lifetime;
                state.id = Some(new_id);
                let before = state.stored.take();
                state.stored = Some(merged(before, stored, changes));
                Ok(())
            }
            Err(error) => {
                let mut state = self.lock();
                if state.log_outs == log_outs {
                    let later = mem::take(&mut state.changes);
                    state.changes = changes.then(later);
                }
                Err(error.into())
            }
        }
    }

    /// Makes the call that stores these changes.
    async fn send(
        &self,
        id: Option<&str>,
        changes: &Changes,
        lifetime: Lifetime,
    ) -> Result<(String, Stored), StoreError> {
        let client = &self.manager().client;
        let mut change = changes.change();
        let Some(id) = id else {
            let mut request = CreateSessionRequest::new().timeouts(lifetime.timeouts());
            request.labels = self.labels().unwrap_or_default();
            request.principal = change.principal.unwrap_or_default();
            request.attributes = change.set_attributes;
            if lifetime.persistent {
                request = request.attribute(PERSISTENT, true);
            }
            let created = client.create(request).await?;
            return Ok((created.session_id, created.session));
        };
        if changes.lifetime {
            change = change.set_timeouts(lifetime.timeouts());
        }
        if changes.lifetime || changes.clears {
            change = keep_persistence(change, lifetime.persistent);
        }
        if changes.renews {
            let request = RotateSessionRequest::new(id).grace(self.manager().grace).change(change);
            let rotated = client.rotate(request).await?;
            return Ok((rotated.session_id, rotated.session));
        }
        Ok((id.to_owned(), client.update(id, change).await?.session))
    }
}

fn keep_persistence(change: SessionChange, persistent: bool) -> SessionChange {
    if persistent { change.set(PERSISTENT, true) } else { change.remove(PERSISTENT) }
}

/// The session after a change: what the store answers, with the values that this request knows.
fn merged(before: Option<Stored>, mut stored: Stored, changes: Changes) -> Stored {
    let known = before.filter(|_| !changes.clears).map(|before| before.attributes).unwrap_or_default();
    stored.attributes = known;
    for (name, value) in changes.values {
        match value {
            Some(value) => drop(stored.attributes.insert(name, value)),
            None => drop(stored.attributes.remove(&name)),
        }
    }
    stored
}

/// How long the cookie lasts. The store ends the session; a cookie that survives the browser only has to last as long.
fn cookie_lifetime(lifetime: Lifetime) -> Option<Duration> {
    lifetime.persistent.then(|| lifetime.absolute.unwrap_or(Duration::MAX))
}
