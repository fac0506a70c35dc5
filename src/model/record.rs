//! The record of a session: the one truth about it, which engines store and the session rules judge.

use super::size::{FIXED_BYTES, LABEL_HEAD};
use super::{Attributes, Handle, IdHash, SecretHash};
use crate::clock::Millis;
use crate::encryption::WRAPPED_BYTES;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that is known of one session.
///
/// For most sessions it is one piece of memory besides their attributes, and copying it takes no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The session's lasting name.
    pub handle: Handle,
    /// The isolation unit it lives in.
    pub namespace: SmolStr,
    /// Grows by one with every change of data; what clients compare.
    pub version: u64,
    /// Grows by one each time the record is stored; what engines compare.
    pub revision: u64,
    /// When the session was made.
    pub created: Millis,
    /// The last change of data.
    pub updated: Millis,
    /// The last access that the record knows of; a later touch may be kept beside it.
    pub accessed: Millis,
    /// The session ends so long after its last access.
    pub idle_timeout: Millis,
    /// The session ends at this moment at the latest.
    pub ends_at: Option<Millis>,
    /// The IDs that open the session.
    pub credentials: SmallVec<[Credential; 1]>,
    /// Tickets by which another domain can get an ID of its own.
    pub tickets: Vec<Ticket>,
    /// The user that the session belongs to; empty for nobody.
    pub principal: SmolStr,
    /// Short texts about the client.
    pub labels: BTreeMap<String, String>,
    /// The data. None of it while it is sealed.
    pub attributes: Attributes,
    /// The data of a sealed session, which only its IDs and tickets open: each of them has a wrapped key. It is empty where
    /// the record is not the stored one and only tells that the session is sealed: in an event, and in a copy for an answer.
    pub sealed: Option<Arc<[u8]>>,
    /// When the sweeper looks at the session: never later than its true end when the row was written, perhaps earlier. 0 in a
    /// record that was not stored yet.
    pub sweep_at: Millis,
}

/// The data key of a sealed session, encrypted for whoever has one of its secrets. Records are copied more often than it is
/// made, so it is shared.
pub type WrappedKey = Arc<[u8; WRAPPED_BYTES]>;

/// One ID that opens a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The hash of the ID and the namespace.
    pub hash: IdHash,
    /// Whether the caller chose the ID. Such an ID carries no handle and needs a lookup row.
    pub chosen: bool,
    /// Set once the ID was rotated away: until then it can still read.
    pub retires_at: Option<Millis>,
    /// The key to the data of a sealed session.
    pub wrapped: Option<WrappedKey>,
}

/// A ticket for another domain, which can be redeemed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The hash of the ticket.
    pub hash: SecretHash,
    /// Who may redeem it.
    pub audience: String,
    /// From this moment on it can't be redeemed.
    pub expires_at: Millis,
    /// The key to the data of a sealed session.
    pub wrapped: Option<WrappedKey>,
}

/// What decides when a session ends. It moves with every access, while the rest of the record stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// As in the [`Record`].
    pub accessed: Millis,
    /// As in the [`Record`].
    pub idle_timeout: Millis,
    /// As in the [`Record`].
    pub ends_at: Option<Millis>,
}

impl Life {
    /// The moment at which the session ends if nothing more happens. At that moment it is already gone.
    #[must_use]
    pub fn expires_at(&self) -> Millis {
        let idle_end = self.accessed.saturating_add(self.idle_timeout);
        self.ends_at.map_or(idle_end, |end| end.min(idle_end))
    }
}

impl Record {
    /// What the record says of the session's end.
    #[must_use]
    pub fn life(&self) -> Life {
        Life { accessed: self.accessed, idle_timeout: self.idle_timeout, ends_at: self.ends_at }
    }

    /// Replaces what the record says of the session's end.
    pub fn set_life(&mut self, life: Life) {
        Life { accessed: self.accessed, idle_timeout: self.idle_timeout, ends_at: self.ends_at } = life;
    }

    /// The moment at which the session ends if nothing more happens. At that moment it is already gone.
    #[must_use]
    pub fn expires_at(&self) -> Millis {
        self.life().expires_at()
    }

    /// The credential with this hash, if it (still) opens the session.
    #[must_use]
    pub fn credential(&self, hash: &IdHash, now: Millis) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.hash == *hash && credential.opens_at(now))
    }

    /// What the session takes in an answer at most, in bytes.
    #[must_use]
    pub fn answer_size(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + LABEL_HEAD).sum();
        self.attributes.fields().len() + labels + self.principal.len() + self.namespace.len() + FIXED_BYTES
    }

    /// What a sealed session takes besides its [`size`](Self::size): the sealed attributes and the wrapped keys, in bytes.
    #[must_use]
    pub fn seal_bytes(&self) -> usize {
        let Some(sealed) = &self.sealed else { return 0 };
        sealed.len() + (self.credentials.len() + self.tickets.len()) * WRAPPED_BYTES
    }

    /// What counts against the limit of a session's size: attributes, labels and principal, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.attributes.size() + labels + self.principal.len()
    }
}

impl Credential {
    /// A credential that both reads and writes.
    #[must_use]
    pub fn new(hash: IdHash, chosen: bool) -> Self {
        Self { hash, chosen, retires_at: None, wrapped: None }
    }

    /// Whether the ID opens the session at this moment, be it only for reading.
    #[must_use]
    pub fn opens_at(&self, now: Millis) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }
}
