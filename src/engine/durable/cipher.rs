//! Encrypts what goes to disk, and decrypts what comes from there: rows of sled, and entries of the redo log. Above it,
//! everything is plain.
//!
//! ```text
//! encrypted row   format byte, CRC-32 of it and the rest, ciphertext of the whole row
//! ```
//!
//! The checksum tells damage from a wrong key even without a key.

use super::encryption_state::EncryptionState;
use super::redo::Position;
use super::table::Table;
use crate::encryption::{KeyNumber, KeyRing, Place};
use crate::engine::codec::FORMAT_ENCRYPTED;
use bytes::{Buf, BufMut, Bytes};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Format and checksum.
const HEADER_BYTES: usize = 1 + size_of::<u32>();

/// Encrypts and decrypts for one data folder, or lets everything pass. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cipher(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    keys: KeyRing,
    /// Whether the folder may hold something in plain.
    accepts_plain: AtomicBool,
}

impl Cipher {
    /// A cipher with these keys for a folder in this state.
    pub(super) fn new(keys: Option<&KeyRing>, state: &EncryptionState) -> Self {
        let inner = |keys: &KeyRing| Inner { keys: keys.clone(), accepts_plain: state.has_plain.into() };
        Self(keys.map(|keys| Arc::new(inner(keys))))
    }

    /// The number of the key that encrypts; `None` if nothing is encrypted.
    pub(super) fn writes_under(&self) -> Option<KeyNumber> {
        self.0.as_ref()?.keys.writes_under()
    }

    /// From now on, what is in plain counts as damaged. Somebody else has put it there.
    pub(super) fn refuse_plain(&self) {
        if let Some(inner) = &self.0 {
            inner.accepts_plain.store(false, Ordering::Relaxed);
        }
    }

    /// The row as it is to be stored.
    pub(super) fn encrypt<'a>(&self, table: Table, key: &[u8], row: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.keys.writes_under().is_some()) else {
            return Cow::Borrowed(row);
        };
        let mut stored = Vec::with_capacity(HEADER_BYTES + row.len() + crate::encryption::OVERHEAD_BYTES);
        stored.put_u8(FORMAT_ENCRYPTED);
        stored.put_u32(0);
        inner.keys.encrypt_into(&Place::row(table as u8, key), &mut stored, |stored| stored.extend_from_slice(row));
        let sum = checksum(&stored[HEADER_BYTES..]).to_be_bytes();
        stored[1..HEADER_BYTES].copy_from_slice(&sum);
        Cow::Owned(stored)
    }

    /// The row that was stored. One that can't be decrypted comes as something that no decoder takes, so that it is found
    /// to be damaged where it is used, and only there.
    pub(super) fn decrypt(&self, table: Table, key: &[u8], stored: Bytes) -> Bytes {
        let Some(inner) = &self.0 else { return stored };
        match ciphertext_of(&stored) {
            Some(ciphertext) => {
                let row = inner.keys.decrypt(&Place::row(table as u8, key), ciphertext);
                row.map_or(UNREADABLE, Bytes::from)
            }
            None if inner.accepts_plain.load(Ordering::Relaxed) => stored,
            None => UNREADABLE,
        }
    }

    /// Whether a row is stored as [`encrypt`](Self::encrypt) would store it now.
    pub(super) fn is_current(&self, stored: &[u8]) -> bool {
        match (ciphertext_of(stored), self.writes_under()) {
            (Some(ciphertext), Some(key)) => KeyNumber::of_ciphertext(ciphertext) == Some(key),
            (ciphertext, key) => ciphertext.is_none() && key.is_none(),
        }
    }

    /// Appends the content of an entry of the redo log, which `write` writes.
    pub(super) fn encrypt_entry(&self, at: Position, buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self.0.as_ref().filter(|inner| inner.keys.writes_under().is_some()) {
            Some(inner) => {
                buffer.put_u8(FORMAT_ENCRYPTED);
                inner.keys.encrypt_into(&Place::redo_entry(at.generation, at.bytes), buffer, write);
            }
            None => write(buffer),
        }
    }

    /// The content of an entry that was appended; `None` if it is damaged.
    pub(super) fn decrypt_entry(&self, at: Position, mut content: Bytes) -> Option<Bytes> {
        let Some(inner) = &self.0 else { return Some(content) };
        if content.first() != Some(&FORMAT_ENCRYPTED) {
            // An entry without rows only ends a generation.
            return (content.is_empty() || inner.accepts_plain.load(Ordering::Relaxed)).then_some(content);
        }
        content.advance(1);
        inner.keys.decrypt(&Place::redo_entry(at.generation, at.bytes), &content).map(Bytes::from)
    }
}

/// A row that nothing decodes.
const UNREADABLE: Bytes = Bytes::from_static(&[FORMAT_ENCRYPTED]);

/// The ciphertext of an encrypted row; empty if it fails its checksum, `None` if the row is not encrypted.
fn ciphertext_of(stored: &[u8]) -> Option<&[u8]> {
    let (format, rest) = stored.split_first()?;
    if *format != FORMAT_ENCRYPTED {
        return None;
    }
    let (sum, ciphertext) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
    Some(if u32::from_be_bytes(*sum) == checksum(ciphertext) { ciphertext } else { &[] })
}

fn checksum(ciphertext: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[FORMAT_ENCRYPTED]);
    sum.update(ciphertext);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::codec;

    const LINE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn cipher(lines: &str, has_plain: bool) -> Cipher {
        let keys = KeyRing::parse(lines).unwrap();
        Cipher::new(Some(&keys), &EncryptionState { keys: keys.numbers().collect(), has_plain, principals: None })
    }

    fn is_readable(row: Bytes) -> bool {
        codec::decode_millis(row).is_ok()
    }

    #[test]
    fn a_row_is_of_its_place_and_whole() {
        let cipher = cipher(LINE, true);
        let row = codec::encode_millis(7);
        let stored = cipher.encrypt(Table::Touches, b"key", &row).into_owned();
        assert_eq!(cipher.decrypt(Table::Touches, b"key", stored.clone().into()), row);
        assert!(!is_readable(cipher.decrypt(Table::Touches, b"other", stored.clone().into())));
        assert!(!is_readable(cipher.decrypt(Table::Meta, b"key", stored.clone().into())));
        for at in 0..stored.len() * 8 {
            let mut damaged = stored.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(!is_readable(cipher.decrypt(Table::Touches, b"key", damaged.into())), "bit {at}");
        }
        for length in 0..stored.len() {
            let cut = stored[..length].to_vec();
            assert!(!is_readable(cipher.decrypt(Table::Touches, b"key", cut.into())), "cut to {length} bytes");
        }
        assert!(!is_readable(Cipher::default().decrypt(Table::Touches, b"key", stored.into())), "without a key");
    }

    #[test]
    fn plain_rows_count_until_all_is_encrypted() {
        let cipher = cipher(LINE, true);
        let row = codec::encode_millis(7);
        assert!(!cipher.is_current(&row) && is_readable(cipher.decrypt(Table::Touches, b"key", row.clone())));
        assert!(cipher.is_current(&cipher.encrypt(Table::Touches, b"key", &row)));
        cipher.refuse_plain();
        assert!(!is_readable(cipher.decrypt(Table::Touches, b"key", row)));
    }

    #[test]
    fn with_plain_before_the_keys_rows_are_stored_in_plain() {
        let old = cipher(LINE, false);
        let row = codec::encode_millis(7);
        let stored = old.encrypt(Table::Touches, b"key", &row).into_owned();
        let cipher = cipher(&format!("plain\n{LINE}"), true);
        assert!(!cipher.is_current(&stored) && cipher.is_current(&row));
        assert_eq!(cipher.decrypt(Table::Touches, b"key", stored.into()), row);
        assert_eq!(*cipher.encrypt(Table::Touches, b"key", &row), *row);
    }
}
