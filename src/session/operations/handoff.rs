//! Cross-domain sign-on: a ticket that another domain exchanges for its own ID of the same session.

use crate::clock::Millis;
use crate::model::{Handle, Record, Secret, SecretHash, SessionId, Ticket};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, Seen};
use crate::session::sealing::{self, Shown};
use std::sync::Arc;

/// The shortest lifetime of a ticket: 1 s.
pub const MIN_TICKET_LIFETIME: Millis = 1_000;

/// The longest lifetime of a ticket: 5 min.
pub const MAX_TICKET_LIFETIME: Millis = 5 * 60 * 1_000;

/// So many tickets of one session can be redeemable at a time. The next one replaces the oldest.
const MAX_TICKETS: usize = 16;

/// The most IDs that one session can have.
const MAX_IDS: usize = 64;

/// What redeeming a ticket needs.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// Where the session lives.
    pub namespace: String,
    /// The ticket, as it came.
    pub ticket: String,
    /// Who redeems it.
    pub audience: String,
    /// The new ID, if the caller chooses it.
    pub new_id: Option<SessionId>,
}

impl Sessions {
    /// Issues a ticket for the audience. Returns the session's handle, the ticket, and the moment at which it ends.
    pub async fn issue_handoff(
        &self,
        namespace: &str,
        id: &SessionId,
        audience: String,
        lifetime: Millis,
    ) -> Result<(Handle, Secret, Millis), Error> {
        let key = LookupKey::new(namespace, id);
        let issued = self
            .transact(|draft| {
                let live = self.touches.find(draft.view(), &key, Access::Touch)?.ok_or(Error::NotFound)?.writable()?;
                let mut record = live.to_record();
                let (handle, ticket) = (record.handle, Secret::mint(record.handle));
                let expires_at = live.now.saturating_add(lifetime);
                record.tickets.retain(|ticket| live.now < ticket.expires_at);
                if record.tickets.len() >= MAX_TICKETS {
                    record.tickets.remove(0);
                }
                let hash = SecretHash::of_secret(namespace, &ticket);
                let shown = Shown::id(key.hash, id);
                let data_key = sealing::data_key(&record, shown)?;
                record.tickets.push(Ticket { hash, audience: audience.clone(), expires_at, wrapped: None });
                self.settle(&mut record, data_key, &[shown, Shown::ticket(hash, &ticket)], live.now)?;
                draft.put(record, Some(&live.record), None)?;
                Ok((handle, ticket, expires_at))
            })
            .await;
        self.counters.note_lookup(issued)
    }

    /// Exchanges a ticket for an ID of the same session. A ticket that the wrong audience shows is used up.
    pub async fn redeem_handoff(&self, redemption: Redemption) -> Result<(SessionId, Arc<Record>), Error> {
        let Redemption { namespace, ticket, audience, new_id } = redemption;
        let (ticket, handle) = Secret::parse(ticket).ok_or(Error::HandoffInvalid)?;
        let hash = SecretHash::of_secret(&namespace, &ticket);
        let (id, record) = self
            .transact(|draft| {
                let found = self.touches.find_by_handle(draft.view(), &namespace, handle)?;
                let live = found.ok_or(Error::HandoffInvalid)?;
                let mut record = live.to_record();
                let at = record.tickets.iter().position(|issued| issued.hash == hash);
                let issued = record.tickets.remove(at.ok_or(Error::HandoffInvalid)?);
                if live.now >= issued.expires_at {
                    return Err(Error::HandoffInvalid);
                }
                if issued.audience != audience {
                    draft.put(record, Some(&live.record), None)?;
                    // As a result of the transaction, not as its error: the ticket must be used up.
                    return Ok(Err(Error::HandoffInvalid));
                }
                record.credentials.retain(|credential| credential.opens_at(live.now));
                let (subject, actual) = ("the number of the session's IDs", record.credentials.len() + 1);
                if actual > MAX_IDS {
                    return Err(Error::TooLarge { subject, limit: MAX_IDS, actual });
                }
                let (id, credential) = self.further_id(draft, &namespace, handle, new_id.as_ref())?;
                let data_key = sealing::data_key(&live.record, Shown::ticket(hash, &ticket))?;
                let shown = Shown::id(credential.hash, &id);
                record.credentials.push(credential);
                record.accessed = live.now;
                self.settle(&mut record, data_key, &[shown], live.now)?;
                Ok(Ok((id, draft.put(record, Some(&live.record), None)?)))
            })
            .await??;
        tracing::debug!(handle = %record.handle, "handed off");
        let Seen { record, .. } = Seen::from(record).opened(&id)?;
        Ok((id, record))
    }
}
