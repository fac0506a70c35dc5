//! A key: its number, and what it encrypts and decrypts.

use super::Place;
use super::aead::{Aead, KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

const NUMBER_BYTES: usize = 4;
/// What stands before a ciphertext.
const HEAD_BYTES: usize = NUMBER_BYTES + NONCE_BYTES;

/// By how much encryption makes bytes longer.
pub(crate) const OVERHEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES;

/// The number of a key. It follows from the key, so a key can't get a wrong one, and tells nothing else about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyNumber([u8; NUMBER_BYTES]);

impl KeyNumber {
    /// The bytes of a number.
    pub(crate) const BYTES: usize = NUMBER_BYTES;

    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(b"sessiond key number, version 1");
        let mut number = [0; NUMBER_BYTES];
        number.copy_from_slice(&mac.finalize().into_bytes()[..NUMBER_BYTES]);
        Self(number)
    }

    /// The number at the start of a ciphertext.
    pub(crate) fn of_ciphertext(ciphertext: &[u8]) -> Option<Self> {
        ciphertext.first_chunk().copied().map(Self)
    }

    pub(crate) fn to_bytes(self) -> [u8; NUMBER_BYTES] {
        self.0
    }
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyNumber({self})")
    }
}

impl FromStr for KeyNumber {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_number = text.len() == 2 * NUMBER_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if is_number { u32::from_str_radix(text, 16).ok() } else { None };
        number.map(|number| Self(number.to_be_bytes())).ok_or(())
    }
}

/// A key. It is wiped from memory when it is dropped.
pub(super) struct Key {
    pub(super) number: KeyNumber,
    cipher: Aead,
}

impl Key {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { number: KeyNumber::of(key), cipher: Aead::new(key) }
    }

    /// Encrypts what stands in a buffer from `begin` on, behind room for the head.
    pub(super) fn encrypt_in_place(&self, place: &Place, buffer: &mut Vec<u8>, begin: usize) {
        buffer[begin..begin + NUMBER_BYTES].copy_from_slice(&self.number.0);
        self.cipher.encrypt_in_place(place, buffer, begin + NUMBER_BYTES);
    }

    /// Decrypts; `None` if it is damaged, or of another place.
    pub(super) fn decrypt(&self, place: &Place, ciphertext: &[u8]) -> Option<Vec<u8>> {
        self.cipher.decrypt(place, ciphertext.get(NUMBER_BYTES..)?)
    }
}

/// Makes room for the head in front of what is to be encrypted.
pub(super) fn make_room(buffer: &mut Vec<u8>) -> usize {
    let begin = buffer.len();
    buffer.resize(begin + HEAD_BYTES, 0);
    begin
}

/// A new key of the system's random numbers, as a line of a key file: its number, and the key in base64.
///
/// # Panics
/// If the operating system has no randomness to give: nothing secure can be done then.
#[must_use]
pub fn new_key() -> (KeyNumber, String) {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).expect("the operating system provides randomness");
    let number = KeyNumber::of(&key);
    (number, format!("{number} {}", BASE64_STANDARD.encode(key)))
}
