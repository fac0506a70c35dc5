//! Sealing: what only the holder of a secret can read, and not the server that keeps it.
//!
//! The attributes of a sealed session are encrypted under its data key, which is random. The data key is encrypted once for
//! each secret that opens the session, under a key that is derived from that secret. So the attributes need not be encrypted
//! anew when a session gets a further ID, and whoever has none of its secrets can read nothing.
//!
//! ```text
//! key for a secret = HKDF-SHA-256(secret, info = label, place)
//! wrapped key      = nonce, data key encrypted under the key for a secret, tag
//! sealed bytes     = nonce, bytes encrypted under the data key, tag
//! ```
//!
//! The server also keeps a SHA-256 of each secret, of other input than that of HKDF, so neither tells anything of the other.

use super::Place;
use super::aead::{Aead, KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Keeps this use of a secret apart from any other.
const LABEL: &[u8] = b"sessiond sealed session, version 1";

/// The bytes of a wrapped data key.
pub(crate) const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// By how much sealing makes bytes longer.
const SEAL_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The data key of a sealed session. It is wiped from memory when it is dropped.
pub(crate) struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// A new key of the system's random numbers.
    pub(crate) fn random() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *key).expect("the operating system provides randomness");
        Self(key)
    }

    /// Seals bytes for this place.
    pub(crate) fn seal(&self, place: &Place, bytes: &[u8]) -> Vec<u8> {
        encrypt(&Aead::new(&self.0), place, bytes)
    }

    /// Opens what was sealed; `None` if it is damaged, or of another key or place.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Option<Vec<u8>> {
        Aead::new(&self.0).decrypt(place, sealed)
    }

    /// The key, for whoever has this secret.
    pub(crate) fn wrap(&self, place: &Place, secret: &[u8]) -> [u8; WRAPPED_BYTES] {
        let wrapped = encrypt(&key_for(secret, place), place, &*self.0);
        wrapped.try_into().expect("a key and what encrypting adds")
    }

    /// The key that was wrapped for this secret; `None` if it is damaged, or of another secret or place.
    pub(crate) fn unwrap(place: &Place, secret: &[u8], wrapped: &[u8; WRAPPED_BYTES]) -> Option<Self> {
        let key = Zeroizing::new(key_for(secret, place).decrypt(place, wrapped)?);
        let mut copy = Zeroizing::new([0; KEY_BYTES]);
        copy.copy_from_slice(&key);
        Some(Self(copy))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(secret)")
    }
}

fn encrypt(aead: &Aead, place: &Place, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(SEAL_BYTES + bytes.len());
    buffer.resize(NONCE_BYTES, 0);
    buffer.extend_from_slice(bytes);
    aead.encrypt_in_place(place, &mut buffer, 0);
    buffer
}

/// The key that follows from a secret.
fn key_for(secret: &[u8], place: &Place) -> Aead {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let expanded = Hkdf::<Sha256>::new(None, secret).expand_multi_info(&[LABEL, &[0], place.bytes()], &mut *key);
    expanded.expect("a key is far shorter than HKDF allows");
    Aead::new(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: [u8; 16] = [7; 16];

    #[test]
    fn only_the_secret_opens_in_its_place() {
        let place = Place::sealed(&HANDLE, "shop");
        let key = DataKey::random();
        let (wrapped, sealed) = (key.wrap(&place, b"an ID"), key.seal(&place, b"attributes"));
        assert_eq!(sealed.len(), b"attributes".len() + SEAL_BYTES);
        let open = |place: &Place, secret: &[u8]| DataKey::unwrap(place, secret, &wrapped)?.open(place, &sealed);
        assert_eq!(open(&place, b"an ID").as_deref(), Some(&b"attributes"[..]));
        assert_eq!(open(&place, b"another ID"), None);
        for other in [Place::sealed(&[8; 16], "shop"), Place::sealed(&HANDLE, "shops")] {
            assert_eq!(open(&other, b"an ID"), None);
            assert_eq!(key.open(&other, &sealed), None);
        }
        assert_eq!(DataKey::random().open(&place, &sealed), None);
        assert_ne!(key.seal(&place, b"attributes"), sealed, "each has a nonce of its own");
        assert_ne!(key.wrap(&place, b"an ID"), wrapped);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let place = Place::sealed(&HANDLE, "shop");
        let key = DataKey::random();
        let (wrapped, sealed) = (key.wrap(&place, b"an ID"), key.seal(&place, b"attributes"));
        for at in 0..wrapped.len() * 8 {
            let mut damaged = wrapped;
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(DataKey::unwrap(&place, b"an ID", &damaged).is_none(), "bit {at}");
        }
        for at in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(key.open(&place, &damaged), None, "bit {at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(&place, &sealed[..length]), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_key_is_derived_as_the_standard_says() {
        // RFC 5869, appendix A.3: no salt and no info.
        let mut key = [0; 42];
        Hkdf::<Sha256>::new(None, &[0x0b; 22]).expand(&[], &mut key).unwrap();
        let begin = [0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f];
        assert_eq!(key[..8], begin);
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", DataKey::random()), "DataKey(secret)");
    }
}
