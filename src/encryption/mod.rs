//! Encryption at rest: keys, the file that holds them, and how bytes are encrypted. `seal` is for sealed sessions, whose key
//! the server does not keep.
//!
//! A [`KeyRing`] has one key that encrypts and any number of older ones that only decrypt. Every ciphertext begins with the
//! number of its key, and is bound to its place: elsewhere it does not decrypt.
//!
//! ```text
//! number of the key   4 bytes
//! nonce              24 bytes  random
//! ciphertext                   as long as the plain text: XChaCha20-Poly1305, with the place as associated data
//! tag                16 bytes
//! ```
//!
//! Nonces come from the system's random numbers. Of 192 bits, none is ever drawn twice, not even by a process that goes on
//! twice from one image of a machine, or in a copy of a data folder. A counter would not promise that.

mod aead;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod key;
mod place;
mod ring;
mod seal;

pub use file::KeyFileError;
pub(crate) use key::OVERHEAD_BYTES;
pub use key::{KeyNumber, new_key};
pub(crate) use place::Place;
pub use ring::KeyRing;
pub(crate) use seal::{DataKey, WRAPPED_BYTES};
