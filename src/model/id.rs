//! Session IDs, which are bearer secrets, and the two names under which the store may write a session down: its handle
//! and the hash of its ID.

use crate::clock::Millis;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use subtle::{Choice, ConstantTimeEq};
use uuid::Uuid;

const HANDLE_BYTES: usize = 16;
/// 192 bits; OWASP ASVS 5.0, 7.2.3 asks for at least 128.
const SECRET_BYTES: usize = 24;
const MINTED_BYTES: usize = HANDLE_BYTES + SECRET_BYTES;
const MINTED_CHARS: usize = (MINTED_BYTES * 4).div_ceil(3);
/// Characters that stand for nothing but the handle.
const HANDLE_CHARS: usize = HANDLE_BYTES * 4 / 3;

/// The six bits that a character of base64url stands for; a larger number for other characters. Every call decodes the handle
/// in its ID, and nothing else of it.
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut sextets = [u8::MAX; 256];
    let mut sextet = 0;
    while sextet < 64 {
        sextets[alphabet[sextet as usize] as usize] = sextet;
        sextet += 1;
    }
    sextets
};

/// Names a session for its whole life, across rotation of its ID. Not a secret: this is what logs and lists show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(Uuid);

impl Handle {
    /// Sorts before every other handle.
    pub const FIRST: Self = Self(Uuid::nil());
    /// Sorts after every other handle.
    pub const LAST: Self = Self(Uuid::max());

    /// A new `UUIDv7`, so that handles sort by creation: those of one process within a millisecond too.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing secure can be done then.
    #[must_use]
    pub fn mint(now: Millis) -> Self {
        static LATEST: Latest = Latest(Mutex::new((0, 0)));
        let mut random = [0; 10];
        fill_random(&mut random);
        let [first, second, ..] = &mut random;
        [*first, *second] = LATEST.place(now, u16::from_be_bytes([*first, *second])).to_be_bytes();
        Self(uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid())
    }

    /// The handle inside a text that has the form of a minted secret, whether or not it is one.
    pub(crate) fn embedded_in(secret: &str) -> Option<Self> {
        if secret.len() != MINTED_CHARS {
            return None;
        }
        let sextet = |at: usize| SEXTETS[usize::from(secret.as_bytes()[at])];
        let append = |(bits, all), sextet| (bits << 6 | u128::from(sextet), all | sextet);
        let (bits, all) = (0..HANDLE_CHARS).map(sextet).fold((0, 0), append);
        // Its last two bits are the first of the next character.
        let last = sextet(HANDLE_CHARS);
        ((all | last) < 64).then(|| Self(Uuid::from_u128(bits << 2 | u128::from(last >> 4))))
    }

    /// The handle as it is shown, written into `room`.
    pub(crate) fn text(self, room: &mut [u8; 36]) -> &str {
        self.0.hyphenated().encode_lower(room)
    }

    /// The handle as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HANDLE_BYTES] {
        self.0.into_bytes()
    }

    /// Reads a stored handle; `None` if the length is wrong.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Handle {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The bearer secret in the visitor's cookie. It can be sent and hashed, but not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// Shortest ID that a caller may choose, in characters.
    pub const MIN_CHARS: usize = 16;
    /// Longest ID that a caller may choose, in characters.
    pub const MAX_CHARS: usize = 256;

    /// Mints an ID for the session. As it carries the handle, the session is found without a lookup row.
    #[must_use]
    pub fn mint(handle: Handle) -> Self {
        Self(Secret::mint(handle).0)
    }

    /// Takes an ID from outside: 16 to 256 printable ASCII characters without spaces. `None` if it is anything else.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        // The loop does not stop at the first bad byte, so that many bytes are checked in one step.
        let is_graphic = |text: &str| text.bytes().fold(true, |graphic, byte| graphic & byte.is_ascii_graphic());
        let well_formed = (Self::MIN_CHARS..=Self::MAX_CHARS).contains(&text.len()) && is_graphic(&text);
        well_formed.then_some(Self(text))
    }

    /// The handle inside an ID that has the form of a minted one. A caller may have chosen an ID of that form, so only
    /// the hash in the record tells whether it belongs to that session.
    #[must_use]
    pub fn embedded_handle(&self) -> Option<Handle> {
        Handle::embedded_in(&self.0)
    }

    /// The part of an ID that stays when it is rotated, as far as its form tells: the handle in a minted one, all of any other.
    pub(crate) fn lasting_part(id: &str) -> &str {
        if id.len() == MINTED_CHARS { id.get(..HANDLE_CHARS).unwrap_or(id) } else { id }
    }

    /// The bytes of the secret, for keyed hashes and derived keys.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Hands the secret out, for the answer to the caller that it belongs to and for nothing else.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

/// A secret of another kind that carries its session's handle, such as a hand-off ticket. It can't be printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Mints a secret for the session: base64url of its handle and 192 random bits.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing secure can be done then.
    #[must_use]
    pub fn mint(handle: Handle) -> Self {
        let mut bytes = [0; MINTED_BYTES];
        bytes[..HANDLE_BYTES].copy_from_slice(&handle.to_bytes());
        fill_random(&mut bytes[HANDLE_BYTES..]);
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The bytes of the secret, from which a key can be derived.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Takes a secret from outside, with the handle it carries; `None` if it has not the form of a minted one.
    #[must_use]
    pub fn parse(text: String) -> Option<(Self, Handle)> {
        let handle = Handle::embedded_in(&text)?;
        Some((Self(text), handle))
    }

    /// Hands the secret out, for the answer to the caller that it belongs to and for nothing else.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(secret)")
    }
}

/// A SHA-256, compared in constant time. Of a secret it is all that is stored.
#[derive(Clone, Copy, Debug)]
pub struct SecretHash([u8; 32]);

/// The hash of a namespace and a session ID.
pub type IdHash = SecretHash;

/// The hash of a namespace and a principal: no secret, but of one length for keys.
pub type PrincipalHash = SecretHash;

impl SecretHash {
    /// Hashes the ID of a session in this namespace.
    #[must_use]
    pub fn of(namespace: &str, id: &SessionId) -> Self {
        Self::of_parts(namespace, id.0.as_bytes())
    }

    /// Hashes another secret in this namespace.
    #[must_use]
    pub fn of_secret(namespace: &str, secret: &Secret) -> Self {
        Self::of_parts(namespace, secret.0.as_bytes())
    }

    /// Hashes a principal of this namespace.
    #[must_use]
    pub fn of_principal(namespace: &str, principal: &str) -> Self {
        Self::of_parts(namespace, principal.as_bytes())
    }

    fn of_parts(namespace: &str, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(namespace.as_bytes());
        // A namespace can't contain this byte, so no two pairs share an input.
        hash.update([0]);
        hash.update(bytes);
        Self(hash.finalize().into())
    }

    /// The hash as it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a stored hash; `None` if the length is wrong.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl PartialEq for SecretHash {
    /// Takes the same time wherever the hashes differ.
    fn eq(&self, other: &Self) -> bool {
        // In pieces of 16 bytes: by single bytes it costs as much as hashing does.
        let pieces = self.0.as_chunks().0.iter().zip(other.0.as_chunks().0);
        let is_equal =
            |(mine, others): (&[u8; 16], &[u8; 16])| u128::from_ne_bytes(*mine).ct_eq(&u128::from_ne_bytes(*others));
        pieces.map(is_equal).fold(Choice::from(1), |all, equal| all & equal).into()
    }
}

impl Eq for SecretHash {}

/// The latest handle's millisecond and its place there: the twelve bits that follow the time in a `UUIDv7`.
struct Latest(Mutex<(Millis, u16)>);

impl Latest {
    /// The place of a new handle: the next of its millisecond, which begins at random with room for 2,048 at least
    /// (RFC 9562, section 6.2, method 1). Those that come after the last place have no order.
    fn place(&self, now: Millis, random: u16) -> u16 {
        const LAST: u16 = 0xfff;
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (millis, place) = *latest;
        *latest = (now, if millis == now && place < LAST { place + 1 } else { random & (LAST >> 1) });
        latest.1
    }
}

pub(crate) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_carries_its_handle_and_is_well_formed() {
        let handle = Handle::mint(1_700_000_000_000);
        let id = SessionId::mint(handle);
        assert_eq!(id.embedded_handle(), Some(handle));
        assert_eq!(SessionId::parse(id.clone().reveal()), Some(id.clone()));
        assert_ne!(SessionId::mint(handle), id);
    }

    #[test]
    fn what_has_not_the_form_of_a_minted_id_carries_no_handle() {
        let minted = SessionId::mint(Handle::mint(1)).reveal();
        for bad in [&minted[1..], &format!("{minted}A"), &minted.replacen(&minted[..1], "+", 1), &"é".repeat(27)] {
            assert_eq!(Handle::embedded_in(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_out_of_bounds_are_refused() {
        for bad in [
            "",
            "short",
            "with spaces inside it",
            "tab\tinside-of-the-id",
            "ünïcödé-identifier",
            "nul\0inside-of-the-id",
        ] {
            assert_eq!(SessionId::parse(bad.into()), None, "{bad:?}");
        }
        assert_eq!(SessionId::parse("x".repeat(257)), None);
        assert!(SessionId::parse("x".repeat(256)).is_some());
        assert!(SessionId::parse("x".repeat(16)).is_some());
    }

    #[test]
    fn an_id_is_never_printed() {
        let id = SessionId::mint(Handle::mint(1));
        assert!(!format!("{id:?}").contains(&id.clone().reveal()));
    }

    #[test]
    fn the_namespace_is_part_of_the_hash() {
        let id = SessionId::mint(Handle::mint(1));
        assert_ne!(IdHash::of("a", &id), IdHash::of("b", &id));
    }

    #[test]
    fn handles_sort_by_creation() {
        assert!(Handle::mint(1_000) < Handle::mint(2_000));
    }

    #[test]
    fn handles_of_one_millisecond_sort_by_creation_too() {
        let latest = Latest(Mutex::default());
        for now in 1..50 {
            let places: Vec<_> = (0..2_000).map(|random| latest.place(now, 0x1234 - random)).collect();
            assert!(places.is_sorted_by(|earlier, later| earlier < later), "{places:?}");
            assert!(places.iter().all(|place| *place <= 0xfff));
        }
    }
}
