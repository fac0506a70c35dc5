//! The inside of resume tokens, for tests that must know which event came first.

use sessiond::model::ResumeToken;

/// The number of the event after which a token resumes.
pub(crate) fn sequence_in(token: &str) -> u64 {
    token.parse::<ResumeToken>().unwrap_or_else(|_| panic!("{token:?} is no resume token")).sequence
}

/// The token that resumes after the event with this number.
pub(crate) fn token_of(sequence: u64) -> String {
    ResumeToken { sequence }.to_string()
}
