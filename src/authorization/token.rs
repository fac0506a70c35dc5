//! Tokens: what a caller shows to be known, and what is kept of it.

use sha2::{Digest, Sha256};
use std::fmt;

/// How every token begins, so that people and scanners for secrets know what they see.
const PREFIX: &str = "sdt_";

/// The characters of random parts. There are 32 of them, so that a byte gives one without a bias; none is taken for another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Characters that name a token.
const ID_CHARS: usize = 8;

/// Characters that nobody can guess: 39 of 5 bits each.
const SECRET_CHARS: usize = 39;

/// A token. It is shown once; [`hash`](Self::hash) is what is kept.
pub struct Token {
    text: String,
}

/// The SHA-256 of a token. A token can't be guessed, so that a fast hash keeps it as well as a slow one.
pub(super) type TokenHash = [u8; 32];

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// If the system has no random numbers to give.
    pub fn mint() -> Result<Self, getrandom::Error> {
        let mut random = [0; ID_CHARS + SECRET_CHARS];
        getrandom::fill(&mut random)?;
        let (id, secret) = random.split_at(ID_CHARS);
        let write = |bytes: &[u8]| -> String {
            bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
        };
        Ok(Self { text: format!("{PREFIX}{}_{}", write(id), write(secret)) })
    }

    /// What names the token, in lists and when it is revoked. It is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID_CHARS]
    }

    /// The token itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        hash_of(self.text.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

/// The hash of what somebody shows as a token.
pub(super) fn hash_of(shown: &[u8]) -> TokenHash {
    Sha256::digest(shown).into()
}

/// Whether this can name a token.
pub(super) fn is_id(id: &str) -> bool {
    id.len() == ID_CHARS && id.bytes().all(|byte| ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_form_and_hides_its_secret() {
        let token = Token::mint().unwrap();
        assert_eq!(token.reveal().len(), PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS);
        assert!(is_id(token.id()));
        assert_eq!(format!("{token:?}"), format!("Token({})", token.id()));
        assert_ne!(token.hash(), Token::mint().unwrap().hash());
    }
}
