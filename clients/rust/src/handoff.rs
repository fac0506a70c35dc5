//! Cross-domain sign-on: a ticket by which another domain gets its own ID of the same session.

use std::fmt;
use std::time::Duration;

use crate::client::Client;
use crate::convert::{Complete, duration};
use crate::error::Error;
use crate::proto::{IssueHandoffRequest, IssueHandoffResponse, RedeemHandoffRequest, RedeemHandoffResponse, Session};
use crate::redact::Redacted;
use crate::{Address, Timestamp};

impl IssueHandoffRequest {
    /// A ticket for this audience, such as "<https://shop.example>", that can be redeemed for 30 s.
    #[must_use]
    pub fn new(id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { session_id: id.into(), audience: audience.into(), ..Self::default() }
    }

    /// How long the ticket can be redeemed: 1 s to 5 min.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(duration(lifetime));
        self
    }
}

impl RedeemHandoffRequest {
    /// Redeems a ticket as its audience.
    #[must_use]
    pub fn new(ticket: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { ticket: ticket.into(), audience: audience.into(), ..Self::default() }
    }

    /// The ID for the redeeming domain, where its framework must choose it.
    #[must_use]
    pub fn new_session_id(mut self, id: impl Into<String>) -> Self {
        self.new_session_id = id.into();
        self
    }
}

/// A ticket for another domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Handoff {
    /// A secret for the redirect to the other domain. It can be used once.
    pub ticket: String,
    /// When it ends.
    pub expire_time: Timestamp,
}

/// A session under the redeeming domain's own ID.
#[derive(Clone, PartialEq)]
pub struct Redeemed {
    /// The redeeming domain's ID.
    pub session_id: String,
    /// The session, with its attributes.
    pub session: Session,
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ticket, expire_time } = self;
        f.debug_struct("Handoff").field("ticket", &Redacted(ticket)).field("expire_time", expire_time).finish()
    }
}

impl fmt::Debug for Redeemed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_id, session } = self;
        f.debug_struct("Redeemed").field("session_id", &Redacted(session_id)).field("session", session).finish()
    }
}

impl Complete for IssueHandoffResponse {
    type Answer = Handoff;

    fn complete(self, address: &Address) -> Result<Handoff, Error> {
        let expire_time = self.expire_time.ok_or_else(|| Error::incomplete(address))?;
        Ok(Handoff { ticket: self.ticket, expire_time })
    }
}

impl Complete for RedeemHandoffResponse {
    type Answer = Redeemed;

    fn complete(self, address: &Address) -> Result<Redeemed, Error> {
        let session = self.session.ok_or_else(|| Error::incomplete(address))?;
        Ok(Redeemed { session_id: self.session_id, session })
    }
}

impl Client {
    /// Issues a ticket by which another domain gets its own ID of the same session.
    pub async fn issue_handoff(&self, mut request: IssueHandoffRequest) -> Result<Handoff, Error> {
        self.fill_namespace(&mut request.namespace);
        self.store(request, |mut stub, request| async move { stub.issue_handoff(request).await })
            .await?
            .complete(self.address())
    }

    /// Exchanges a ticket for an ID. The namespace is the one that the ticket was issued in.
    pub async fn redeem_handoff(&self, mut request: RedeemHandoffRequest) -> Result<Redeemed, Error> {
        self.fill_namespace(&mut request.namespace);
        self.store(request, |mut stub, request| async move { stub.redeem_handoff(request).await })
            .await?
            .complete(self.address())
    }
}
