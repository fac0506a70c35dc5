//! A ring of keys, as a key file lists them.

use super::aead::KEY_BYTES;
use super::key::{self, Key, KeyNumber};
use super::{OVERHEAD_BYTES, Place};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt;
use std::sync::Arc;

/// The line that stands for no key.
const PLAIN: &str = "plain";

/// The most keys of a ring.
const MAX_KEYS: usize = 16;

/// Keys: the first one encrypts, all decrypt. Clones share them.
#[derive(Clone)]
pub struct KeyRing(Arc<Keys>);

struct Keys {
    /// Whether nothing is to be encrypted any more, and the keys only decrypt.
    is_plain: bool,
    keys: Vec<Key>,
}

impl KeyRing {
    /// Reads the lines of a key file. An error says what is wrong with a line, and never shows what stands in it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut ring = Keys { is_plain: false, keys: Vec::new() };
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            if text == PLAIN {
                if ring.is_plain || !ring.keys.is_empty() {
                    return Err(format!("line {line} is {PLAIN}, which can only stand before all keys; move it there"));
                }
                ring.is_plain = true;
                continue;
            }
            let key = read_key(text).map_err(|problem| format!("line {line} {problem}"))?;
            if ring.keys.iter().any(|other| other.number == key.number) {
                return Err(format!("line {line} has the key {} a second time; remove it", key.number));
            }
            ring.keys.push(key);
        }
        match ring.keys.len() {
            0 => Err("holds no key; make one with sessiond key create".into()),
            1..=MAX_KEYS => Ok(Self(Arc::new(ring))),
            count => Err(format!("holds {count} keys and {MAX_KEYS} are allowed; remove those that nothing needs")),
        }
    }

    /// Whether a text holds keys, and so must not be shown.
    pub(crate) fn is_text(text: &str) -> bool {
        text.lines().any(|line| read_key(line.trim()).is_ok())
    }

    fn first(&self) -> Option<&Key> {
        self.0.keys.first().filter(|_| !self.0.is_plain)
    }

    /// The number of the key that encrypts; `None` if nothing is to be encrypted any more.
    #[must_use]
    pub fn writes_under(&self) -> Option<KeyNumber> {
        self.first().map(|key| key.number)
    }

    /// The numbers of all keys, in the order of the file.
    pub fn numbers(&self) -> impl Iterator<Item = KeyNumber> {
        self.0.keys.iter().map(|key| key.number)
    }

    /// Whether there is a key with this number.
    #[must_use]
    pub fn has(&self, number: KeyNumber) -> bool {
        self.numbers().any(|own| own == number)
    }

    /// Appends the ciphertext of what `write` appends. Without a key that encrypts, that is appended as it is, and the
    /// result is false.
    pub(crate) fn encrypt_into(&self, place: &Place, buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(key) = self.first() else {
            write(buffer);
            return false;
        };
        let begin = key::make_room(buffer);
        write(buffer);
        key.encrypt_in_place(place, buffer, begin);
        true
    }

    /// Decrypts; `None` if no key of the ring made it for this place, or if it is damaged.
    pub(crate) fn decrypt(&self, place: &Place, ciphertext: &[u8]) -> Option<Vec<u8>> {
        if ciphertext.len() < OVERHEAD_BYTES {
            return None;
        }
        let number = KeyNumber::of_ciphertext(ciphertext)?;
        self.0.keys.iter().find(|key| key.number == number)?.decrypt(place, ciphertext)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("numbers", &self.numbers().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Reads a line: the key, perhaps behind its number.
fn read_key(line: &str) -> Result<Key, String> {
    let (number, key) = match line.split_once(char::is_whitespace) {
        Some((number, key)) => (Some(number), key.trim()),
        None => (None, line),
    };
    let key = Key::new(&decode(key).ok_or("is no key of 256 bits; write 64 hex digits or 44 characters of base64")?);
    let Some(number) = number else { return Ok(key) };
    match number.parse::<KeyNumber>() {
        Ok(number) if number == key.number => Ok(key),
        Ok(number) => {
            Err(format!("has the number {number} and the key {}; one of them is mistyped or cut off", key.number))
        }
        Err(()) => {
            Err("has more than a number and a key; write the number of 8 hex digits, a space and the key".into())
        }
    }
}

fn decode(key: &str) -> Option<[u8; KEY_BYTES]> {
    if key.len() != 2 * KEY_BYTES {
        return BASE64_STANDARD.decode(key).ok()?.try_into().ok();
    }
    let mut bytes = [0; KEY_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::new_key;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn ring(lines: &[&str]) -> KeyRing {
        KeyRing::parse(&lines.join("\n")).unwrap()
    }

    fn encrypt(ring: &KeyRing, place: &Place, plain: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        ring.encrypt_into(place, &mut buffer, |buffer| buffer.extend_from_slice(plain));
        buffer
    }

    #[test]
    fn a_ring_is_read_in_either_writing() {
        let (hex, base64) = (ring(&[HEX]), ring(&["# made in May", "", BASE64]));
        assert_eq!(hex.writes_under(), base64.writes_under());
        let number = hex.writes_under().unwrap();
        assert_eq!(ring(&[&format!("{number} {HEX}")]).writes_under(), Some(number));
        let (new, line) = new_key();
        let both = ring(&[&line, HEX]);
        assert_eq!((both.writes_under(), both.numbers().collect::<Vec<_>>()), (Some(new), vec![new, number]));
        let plain = ring(&["plain", HEX]);
        assert_eq!((plain.writes_under(), plain.has(number)), (None, true));
    }

    #[test]
    fn what_is_no_ring_is_refused_without_showing_a_key() {
        let number = ring(&[HEX]).writes_under().unwrap();
        let wrong = format!("12345678 {HEX}");
        let named = format!("may {HEX}");
        let many = (0..17).map(|_| new_key().1).collect::<Vec<_>>().join("\n");
        let cases = [
            ("# nothing", "holds no key; make one with sessiond key create"),
            ("plain", "holds no key"),
            (&HEX[1..], "line 1 is no key of 256 bits; write 64 hex digits"),
            (&format!("{HEX}\n\n{BASE64}"), &format!("line 3 has the key {number} a second time; remove it")),
            (&format!("{HEX}\nplain"), "line 2 is plain, which can only stand before all keys"),
            (&wrong, &format!("line 1 has the number 12345678 and the key {number}")),
            (&named, "line 1 has more than a number and a key"),
            (&many, "holds 17 keys and 16 are allowed"),
        ];
        for (text, expected) in cases {
            let error = KeyRing::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains(&HEX[8..]), "{error}");
        }
        assert!(!format!("{:?}", ring(&[HEX])).contains(&HEX[8..16]));
    }

    #[test]
    fn a_ciphertext_is_of_its_key_and_its_place_and_whole() {
        let ring = ring(&[HEX]);
        let place = Place::row(1, b"key");
        let ciphertext = encrypt(&ring, &place, b"secret");
        assert_eq!(ciphertext.len(), 6 + OVERHEAD_BYTES);
        assert!(!ciphertext.windows(6).any(|window| window == b"secret"));
        assert_eq!(ring.decrypt(&place, &ciphertext).as_deref(), Some(&b"secret"[..]));
        assert_ne!(encrypt(&ring, &place, b"secret"), ciphertext, "each has a nonce of its own");
        for other in [Place::row(2, b"key"), Place::row(1, b"kez"), Place::redo_entry(1, 2), Place::chunk(&[0; 16], 1)]
        {
            assert_eq!(ring.decrypt(&other, &ciphertext), None);
        }
        for at in 0..ciphertext.len() * 8 {
            let mut damaged = ciphertext.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(ring.decrypt(&place, &damaged), None, "bit {at}");
        }
        for length in 0..ciphertext.len() {
            assert_eq!(ring.decrypt(&place, &ciphertext[..length]), None, "cut to {length} bytes");
        }
        assert_eq!(KeyRing::parse(&new_key().1).unwrap().decrypt(&place, &ciphertext), None);
    }
}
