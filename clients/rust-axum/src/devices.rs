//! The sessions of a user, and the way to another domain.

use std::collections::BTreeMap;

use http::header;
use http::request::Parts;
use sessiond_client::Error as StoreError;
use sessiond_client::proto::{
    DeleteSessionRequest, IssueHandoffRequest, ListSessionsRequest, RedeemHandoffRequest, RevokeSessionsRequest,
    Session as Stored,
};

use crate::error::Error;
use crate::session::Session;

/// How long a label can be, in bytes.
const LONGEST_LABEL: usize = 256;

/// The label "device": the browser as it calls itself.
#[must_use]
pub fn device_labels(parts: &Parts) -> BTreeMap<String, String> {
    let device = parts.headers.get(header::USER_AGENT).and_then(|device| device.to_str().ok());
    // A header in text is ASCII.
    let cut = |device: &str| device[..device.len().min(LONGEST_LABEL)].to_owned();
    device.map(|device| ("device".to_owned(), cut(device))).into_iter().collect()
}

/// A session of the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its handle, labels and times; no values, and never its ID.
    pub session: Stored,
    /// Whether it is the session of this request.
    pub is_current: bool,
}

impl Session {
    /// The sessions of the user, newest first.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        let (user, handle) = (self.user()?, self.handle());
        let mut listing = self.manager().client.list_all(ListSessionsRequest::new().principal(user));
        let mut devices = Vec::new();
        while let Some(session) = listing.next().await {
            let session = session?;
            devices.push(Device { is_current: handle.as_ref() == Some(&session.handle), session });
        }
        Ok(devices)
    }

    /// Ends a session of the user by its handle; false if it is not there, or of somebody else. That of this request is logged
    /// out.
    pub async fn end_device(&self, handle: &str) -> Result<bool, Error> {
        let user = self.user()?;
        if self.handle().as_deref() == Some(handle) {
            self.log_out();
            return Ok(true);
        }
        let client = &self.manager().client;
        let found = match client.list(ListSessionsRequest::new().handles([handle])).await {
            Err(StoreError::InvalidArgument { .. }) => return Ok(false),
            found => found?,
        };
        if !found.sessions.iter().any(|session| session.principal == user) {
            return Ok(false);
        }
        Ok(client.delete(DeleteSessionRequest::by_handle(handle).allow_missing()).await?)
    }

    /// Ends all other sessions of the user, "log out all my other devices"; answers how many.
    pub async fn end_others(&self) -> Result<u64, Error> {
        let (user, id) = (self.user()?, self.lock().id.clone().unwrap_or_default());
        Ok(self.manager().client.revoke(RevokeSessionsRequest::of_principal_except(user, id)).await?)
    }

    /// Ends all sessions of the user, this one too; answers how many.
    pub async fn end_all(&self) -> Result<u64, Error> {
        let ended = self.manager().client.revoke(RevokeSessionsRequest::of_principal(self.user()?)).await?;
        self.log_out();
        Ok(ended)
    }

    /// Issues a ticket by which the audience, such as `https://shop.example`, gets its own ID of this session, once and within
    /// 30 s: put it into the redirect to the other domain. A new session is stored first.
    pub async fn issue_handoff(&self, audience: &str) -> Result<String, Error> {
        let id = self.stored_id().await?;
        Ok(self.manager().client.issue_handoff(IssueHandoffRequest::new(id, audience)).await?.ticket)
    }

    /// Makes the session that a ticket opens the session of this visitor, on this domain: a log-out on either ends both. What
    /// this request has changed before is forgotten.
    pub async fn redeem_handoff(&self, ticket: &str, audience: &str) -> Result<(), Error> {
        let redeemed = match self.manager().client.redeem_handoff(RedeemHandoffRequest::new(ticket, audience)).await {
            Err(StoreError::InvalidArgument { .. }) => return Err(Error::HandoffInvalid),
            redeemed => redeemed?,
        };
        let _storing = self.storing.lock().await;
        let mut state = self.lock();
        state.take(redeemed.session_id, redeemed.session);
        state.sets_cookie = true;
        Ok(())
    }

    fn user(&self) -> Result<String, Error> {
        self.principal().ok_or(Error::Nobody)
    }
}
