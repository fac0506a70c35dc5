//! The cipher: a nonce, the ciphertext, and the tag that vouches for it and for its place.

use super::Place;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

/// The bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;

/// XChaCha20-Poly1305 under one key, which is wiped from memory when it is dropped.
pub(super) struct Aead(XChaCha20Poly1305);

impl Aead {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(&(*key).into()))
    }

    /// Encrypts what stands in a buffer from `begin` on, behind room for the nonce, and appends the tag.
    pub(super) fn encrypt_in_place(&self, place: &Place, buffer: &mut Vec<u8>, begin: usize) {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the operating system provides randomness");
        let (head, content) = buffer[begin..].split_at_mut(NONCE_BYTES);
        head.copy_from_slice(&nonce);
        let tag = self.0.encrypt_inout_detached(&XNonce::from(nonce), place.bytes(), content.into());
        buffer.extend_from_slice(&tag.expect("what is encrypted is smaller than 256 GiB"));
    }

    /// Decrypts; `None` if it is damaged, or of another key or place.
    pub(super) fn decrypt(&self, place: &Place, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = encrypted.split_first_chunk::<NONCE_BYTES>()?;
        let (content, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut content = content.to_vec();
        let opened = self.0.decrypt_inout_detached(
            &XNonce::from(*nonce),
            place.bytes(),
            content.as_mut_slice().into(),
            &Tag::from(*tag),
        );
        opened.ok().map(|()| content)
    }
}
