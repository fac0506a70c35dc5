//! The resume token: the point in the history of events from which a watcher resumes.
//!
//! To callers it is opaque text. This engine keeps all events in one order, so one number is enough; an engine whose history
//! has several parts would need a number for each, under another format.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

const FORMAT: u8 = 1;
const SEQUENCE_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;

/// Everything up to this sequence number was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// The last event that was seen; 0 if none was.
    pub sequence: u64,
}

/// The text is not a resume token of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a resume token that this server sent")]
pub struct MalformedToken;

impl ResumeToken {
    /// The longest token that the contract allows, in bytes.
    pub const MAX_BYTES: usize = 1_024;
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = [&[FORMAT][..], &self.sequence.to_be_bytes()].concat();
        // A token that was cut or mistyped must not become another point.
        let checksum = crc32fast::hash(&body).to_be_bytes();
        formatter.write_str(&BASE64_URL_SAFE_NO_PAD.encode([&body[..], &checksum].concat()))
    }
}

impl FromStr for ResumeToken {
    type Err = MalformedToken;

    fn from_str(token: &str) -> Result<Self, MalformedToken> {
        if token.len() > Self::MAX_BYTES {
            return Err(MalformedToken);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| MalformedToken)?;
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(MalformedToken)?;
        let sequence: [u8; SEQUENCE_BYTES] =
            body.strip_prefix(&[FORMAT]).and_then(|rest| rest.try_into().ok()).ok_or(MalformedToken)?;
        if crc32fast::hash(body).to_be_bytes() != *checksum {
            return Err(MalformedToken);
        }
        Ok(Self { sequence: u64::from_be_bytes(sequence) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_or_not_at_all() {
        for sequence in [0, 1, 1_041, u64::MAX] {
            let token = ResumeToken { sequence };
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        let token = ResumeToken { sequence: 1_041 }.to_string();
        let long = "A".repeat(ResumeToken::MAX_BYTES + 1);
        for damaged in ["", "1041", &token[1..], &token[..token.len() - 1], &format!("{token}A"), &long] {
            assert_eq!(damaged.parse::<ResumeToken>(), Err(MalformedToken), "{damaged}");
        }
        for at in 0..token.len() {
            let mut damaged = token.clone();
            let other = if &token[at..=at] == "B" { "C" } else { "B" };
            damaged.replace_range(at..=at, other);
            assert_eq!(damaged.parse::<ResumeToken>(), Err(MalformedToken), "{damaged}");
        }
    }
}
