//! How principals stand in the keys of `members`.
//!
//! Keys can't be encrypted, since sled sorts by them. A plain hash of a principal tells whoever guesses a name whether the
//! guess is right. So in an encrypted folder it is a keyed hash. Its secret is random and stays the same for as long as the
//! folder is encrypted; the file `encryption` has it, encrypted. The rows are written anew when the folder is opened with
//! keys for the first time, and again when it is opened to be turned into plain.
//!
//! Rows of both kinds never count at the same time: which do, is decided by whether the file has the secret.

use super::checkpoint::Checkpoint;
use super::encryption_state::EncryptionState;
use super::keys::Key;
use super::memtable::Row;
use super::merge::Direction;
use super::table::Table;
use crate::encryption::{KeyNumber, KeyRing, Place};
use crate::engine::transaction::{SessionList, View};
use crate::engine::{EngineError, KeyProblem, codec};
use crate::model::{Handle, PrincipalHash};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::path::Path;

/// The first bytes of the keys of rows of principals. No namespace begins with one of them.
const PLAIN_PREFIX: u8 = 0;
const KEYED_PREFIX: u8 = 1;
/// The first byte of a key that belongs to a namespace, at least.
pub(super) const FIRST_OF_NAMESPACES: u8 = 2;

/// The bytes of the secret.
const SECRET_BYTES: usize = 32;

/// The most rows that are kept in memory before they are written back, in bytes.
const MAX_UNWRITTEN: usize = 32 << 20;

/// The rows that count. Clones share the secret.
#[derive(Clone, Default)]
pub(super) struct PrincipalIndex(Option<Hmac<Sha256>>);

impl PrincipalIndex {
    /// The index of a folder in this state.
    pub(super) fn of(state: &EncryptionState, keys: Option<&KeyRing>) -> Result<Self, KeyProblem> {
        let Some(encrypted) = &state.principals else { return Ok(Self::default()) };
        Self::with_secret(&decrypt(encrypted, keys)?)
    }

    fn with_secret(secret: &[u8]) -> Result<Self, KeyProblem> {
        Hmac::new_from_slice(secret).map(|mac| Self(Some(mac))).map_err(|_| KeyProblem::Damaged)
    }

    /// The key of a session's row in a list.
    pub(super) fn member_key(&self, list: &SessionList, handle: Handle) -> Vec<u8> {
        match list {
            SessionList::Namespace(namespace) => [namespace.as_bytes(), &[0], &handle.to_bytes()].concat(),
            SessionList::Principal(principal) => self.principal_key(principal.as_bytes(), &handle.to_bytes()),
        }
    }

    fn principal_key(&self, principal: &[u8], handle: &[u8]) -> Vec<u8> {
        let Some(mac) = &self.0 else { return [&[PLAIN_PREFIX], principal, handle].concat() };
        let mut mac = mac.clone();
        mac.update(principal);
        [&[KEYED_PREFIX], &mac.finalize().into_bytes()[..], handle].concat()
    }

    /// The first bytes of the keys of rows that count, and of those that don't.
    fn prefixes(&self) -> (u8, u8) {
        if self.0.is_some() { (KEYED_PREFIX, PLAIN_PREFIX) } else { (PLAIN_PREFIX, KEYED_PREFIX) }
    }
}

impl fmt::Debug for PrincipalIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrincipalIndex").field(&self.0.is_some()).finish()
    }
}

/// The secret, encrypted under the key that encrypts now. Without such a key, or if it is so already, it stays as it is.
pub(super) fn encrypted_anew(encrypted: &[u8], keys: Option<&KeyRing>) -> Result<Vec<u8>, KeyProblem> {
    let secret = decrypt(encrypted, keys)?;
    let stays = |keys: &KeyRing| keys.writes_under().is_none_or(|key| KeyNumber::of_ciphertext(encrypted) == Some(key));
    Ok(keys.filter(|keys| !stays(keys)).map_or_else(|| encrypted.to_vec(), |keys| encrypt(&secret, keys)))
}

fn decrypt(encrypted: &[u8], keys: Option<&KeyRing>) -> Result<Vec<u8>, KeyProblem> {
    keys.and_then(|keys| keys.decrypt(&Place::principals(), encrypted)).ok_or(KeyProblem::Damaged)
}

fn encrypt(secret: &[u8], keys: &KeyRing) -> Vec<u8> {
    let mut encrypted = Vec::new();
    keys.encrypt_into(&Place::principals(), &mut encrypted, |encrypted| encrypted.extend_from_slice(secret));
    encrypted
}

impl Checkpoint {
    /// Brings the rows of principals into the form that the keys ask for, and notes that in the state. Everything must be
    /// written back already. A crash in between leaves rows that don't count; the next opening removes them.
    pub(super) fn settle_principals(
        &mut self,
        state: &mut EncryptionState,
        keys: Option<&KeyRing>,
        sled: &Path,
    ) -> Result<(), EngineError> {
        if self.is_damaged {
            return Ok(());
        }
        self.remove_uncounted_rows()?;
        match keys.filter(|keys| keys.writes_under().is_some()) {
            Some(keys) if state.principals.is_none() => {
                let mut secret = [0; SECRET_BYTES];
                getrandom::fill(&mut secret).expect("the operating system provides randomness");
                let index = PrincipalIndex::with_secret(&secret)?;
                self.copy_rows(&index)?;
                self.tables.principals = index;
                state.principals = Some(encrypt(&secret, keys));
            }
            None if state.principals.is_some() => {
                // The principals stand in the records only.
                self.derive_rows()?;
                self.tables.principals = PrincipalIndex::default();
                state.principals = None;
            }
            _ => return Ok(()),
        }
        // From here on the other rows count.
        state.write(sled)?;
        self.remove_uncounted_rows()
    }

    /// Writes the rows that count once more, for another index.
    fn copy_rows(&mut self, index: &PrincipalIndex) -> Result<(), EngineError> {
        let (tables, (counted, _)) = (self.tables.clone(), self.tables.principals.prefixes());
        for row in tables.members.scan([counted]..[counted + 1], Direction::Up, usize::MAX) {
            let (key, _) = row?;
            let parts = key.split_first().and_then(|(_, rest)| rest.split_last_chunk::<16>());
            let (principal, handle) = parts.ok_or_else(|| codec::corrupt("a member's key"))?;
            self.write(Row::put(Table::Members, index.principal_key(principal, handle), codec::empty_row()))?;
        }
        self.write_all_back()
    }

    /// Writes the rows of all records for an index without a secret.
    fn derive_rows(&mut self) -> Result<(), EngineError> {
        let tables = self.tables.clone();
        for row in tables.sessions.all() {
            // A damaged record gets no row. Whoever reads it learns that it is damaged.
            let Some(Ok(Some(record))) = Handle::from_slice(&row?.0).map(|handle| tables.record(handle)) else {
                continue;
            };
            if record.principal.is_empty() {
                continue;
            }
            let principal = PrincipalHash::of_principal(&record.namespace, &record.principal);
            let key = PrincipalIndex::default().principal_key(principal.as_bytes(), &record.handle.to_bytes());
            self.write(Row::put(Table::Members, key, codec::empty_row()))?;
        }
        self.write_all_back()
    }

    fn remove_uncounted_rows(&mut self) -> Result<(), EngineError> {
        let (tables, (_, uncounted)) = (self.tables.clone(), self.tables.principals.prefixes());
        for row in tables.members.scan([uncounted]..[uncounted + 1], Direction::Up, usize::MAX) {
            let (key, _): (Key, _) = row?;
            self.write(Row::remove(Table::Members, key))?;
        }
        self.write_all_back()
    }

    /// Changes a row. Many are written back together, within the memory that a running server takes.
    fn write(&mut self, row: Row) -> Result<(), EngineError> {
        self.tables.memtable.apply(vec![row]);
        if self.tables.memtable.bytes() > MAX_UNWRITTEN { self.write_all_back() } else { Ok(()) }
    }
}
