//! Tries what reads keys, and what is encrypted under them.

use super::KeyRing;
use crate::engine::fuzzing::{ciphertexts, encryption_state};
use crate::fuzzing::check_line;

/// Digits of a key, so many that nothing else shows them by chance.
const SHOWN: usize = 12;

/// The first byte says what the others are.
pub(crate) fn encryption(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    match first % 4 {
        0 => key_file(rest),
        1 => encryption_state(rest, false),
        2 => encryption_state(rest, true),
        _ => ciphertexts(&KeyRing::parse(&"0123456789abcdef".repeat(4)).expect("a key"), rest),
    }
}

/// A file of keys stands for a ring, or for a problem in one line that shows no key.
fn key_file(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match KeyRing::parse(text) {
        Ok(ring) => {
            assert!(ring.numbers().next().is_some(), "a ring without a key");
            assert!(ring.numbers().all(|number| ring.has(number)));
            assert!(ring.writes_under().is_none_or(|number| ring.has(number)));
            assert!(KeyRing::is_text(text), "a key was not known as one");
        }
        Err(problem) => {
            check_line(&problem);
            let words = text.split(|character: char| !character.is_ascii_hexdigit());
            for word in words.filter(|word| word.len() >= SHOWN) {
                assert!(!problem.contains(word), "a problem shows a key: {problem}");
            }
        }
    }
}
