//! The store.

use std::borrow::Cow;
use std::time::SystemTime;

use async_trait::async_trait;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, SessionChange, UpdateSessionRequest,
};
use sessiond_client::{Client, Error, mapped_id};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error as StoreError, ExpiredDeletion, Result};

use crate::expiry::{expiry_date, timeouts};
use crate::loaded::{self, Data};

/// How many IDs are tried for a new session. Two of 128 random bits never meet, so more than one is for a defect of the random numbers.
const ATTEMPTS: usize = 3;

/// A store of tower-sessions that keeps sessions in a sessiond. Clones share one connection.
#[derive(Debug, Clone)]
pub struct SessiondStore {
    client: Client,
    principal_key: Option<String>,
}

impl SessiondStore {
    /// A store that makes its calls by this client, in the client's namespace.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, principal_key: None }
    }

    /// The key whose value, a text or a whole number, says whose session it is, so that the sessions of a user can be listed
    /// and ended by the client. Without it they are nobody's.
    #[must_use]
    pub fn with_principal_key(mut self, key: impl Into<String>) -> Self {
        self.principal_key = Some(key.into());
        self
    }

    /// Whose session this data is of; empty for nobody's. `None` if the store does not look.
    fn principal(&self, data: &Data) -> Option<String> {
        let value = data.get(self.principal_key.as_ref()?);
        let text =
            value.and_then(|value| value.as_str().map(str::to_owned).or_else(|| Some(value.as_i64()?.to_string())));
        Some(text.unwrap_or_default())
    }

    /// The change of a record's data, and of its principal if the key of the principal is part of it.
    fn change(&self, data: &Data) -> SessionChange {
        let mut change = loaded::change(data);
        let names_it = self.principal_key.as_ref().is_some_and(|key| {
            change.clear_attributes || change.set_attributes.contains_key(key) || change.remove_attributes.contains(key)
        });
        if names_it {
            change.principal = self.principal(data);
        }
        change
    }
}

#[async_trait]
impl SessionStore for SessiondStore {
    /// Makes a session under the record's ID, or under another if that is taken.
    async fn create(&self, record: &mut Record) -> Result<()> {
        // What ends before it begins is not stored, and not found.
        let Some(timeouts) = timeouts(record.expiry_date, now()) else { return Ok(()) };
        let mut request = CreateSessionRequest::new().timeouts(timeouts);
        request.attributes = loaded::attributes(&record.data);
        request.principal = self.principal(&record.data).unwrap_or_default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.client.create(request.clone().session_id(session_id(record.id))).await {
                Err(Error::SessionIdTaken) if attempts < ATTEMPTS => record.id = Id::default(),
                Err(error) => return Err(failed(error)),
                Ok(created) => {
                    // Now the record is what loading it would answer.
                    record.expiry_date = expiry_date(created.session.expire_time);
                    loaded::remember(&mut record.data);
                    return Ok(());
                }
            }
        }
    }

    /// Sends what has changed since the record was loaded. A session that has ended meanwhile is not made again: that is an
    /// error.
    async fn save(&self, record: &Record) -> Result<()> {
        let Some(timeouts) = timeouts(record.expiry_date, now()) else { return self.delete(&record.id).await };
        let change = self.change(&record.data).set_timeouts(timeouts);
        let request = UpdateSessionRequest::new(session_id(record.id), change);
        self.client.update_with(request).await.map(drop).map_err(failed)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        // Only a save makes a session of tower-sessions last longer.
        match self.client.get(GetSessionRequest::new(session_id(*id)).peek()).await {
            Ok(found) => Ok(Some(Record {
                id: *id,
                expiry_date: expiry_date(found.session.expire_time),
                data: loaded::data(found.session.attributes),
            })),
            Err(Error::SessionNotFound) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let request = DeleteSessionRequest::by_id(session_id(*id)).allow_missing();
        self.client.delete(request).await.map(drop).map_err(failed)
    }
}

#[async_trait]
impl ExpiredDeletion for SessiondStore {
    /// Has the server remove what has expired, which it also does by itself all the time.
    async fn delete_expired(&self) -> Result<()> {
        self.client.sweep_now().await.map(drop).map_err(failed)
    }
}

/// The ID under which a session is kept. It is the text in the cookie; the mapping that all clients share leaves it as it is.
fn session_id(id: Id) -> String {
    let text = id.to_string();
    mapped_id(&text).map(Cow::into_owned).unwrap_or_default()
}

fn now() -> SystemTime {
    OffsetDateTime::now_utc().into()
}

fn failed(error: Error) -> StoreError {
    StoreError::Backend(match error {
        Error::SessionNotFound | Error::SessionIdRetired => {
            "nothing was saved: the session has ended, or got a new ID, since it was loaded".to_owned()
        }
        error => error.to_string(),
    })
}
