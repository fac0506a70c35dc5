//! Under which keys a folder's data is encrypted: the file `encryption` beside sled's files. It is there as soon as
//! something is encrypted, so that a folder without the right keys is refused before anything in it is changed.
//!
//! ```text
//! sessiond encryption 1
//! key 4f9a12cd            for each key under which something may be encrypted
//! plain                   if something may be in plain
//! principals 4f9a12cd...  the secret of the hashes of principals, encrypted, in hex
//! sum 0a1b2c3d            CRC-32 of all before
//! ```
//!
//! A key is named here before anything is encrypted under it, and removed only when nothing is any more.

use super::access::PRIVATE_FILE;
use super::principals;
use crate::encryption::{KeyNumber, KeyRing};
use crate::engine::EngineError;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "encryption";
const NEW_FILE: &str = "encryption.new";

/// The first line, without the number of the format.
const TITLE: &str = "sessiond encryption ";
const FORMAT: u32 = 1;

/// Under which keys a folder's data may be encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EncryptionState {
    pub(super) keys: Vec<KeyNumber>,
    /// Whether something may be in plain.
    pub(super) has_plain: bool,
    /// The secret of the hashes of principals, encrypted; `None` if they have none.
    pub(super) principals: Option<Vec<u8>>,
}

/// Why a folder's keys don't do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// There are no keys.
    #[error("the data is encrypted; name the file with the key {0} with encryption-keys")]
    NoKeys(String),
    /// A key is missing.
    #[error(
        "the file of encryption-keys lacks the key {0}, under which data is encrypted; add it behind the first key"
    )]
    Missing(String),
    /// The file is damaged.
    #[error(
        "its file sled/encryption is damaged; put back a copy of that file, or save the sessions into a new folder with \
         sessiond salvage and --encryption-keys"
    )]
    Damaged,
    /// The file is missing.
    #[error(
        "its file sled/encryption is missing, although the data is encrypted; put it back, or save the sessions into a new \
         folder with sessiond salvage and --encryption-keys"
    )]
    Lost,
    /// A newer server has written the file.
    #[error("its file sled/encryption has the format {0} and this server reads up to {FORMAT}; use a newer sessiond")]
    TooNew(u32),
}

impl KeyProblem {
    /// Whether the folder is damaged, and nothing is known to be wrong with the keys.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged | Self::Lost)
    }
}

impl EncryptionState {
    /// A folder of which nobody knows any more how it is encrypted.
    pub(super) fn unknown(keys: &KeyRing) -> Self {
        Self { keys: keys.numbers().collect(), has_plain: true, principals: None }
    }

    /// A folder in which nothing is encrypted.
    pub(super) const PLAIN: Self = Self { keys: Vec::new(), has_plain: true, principals: None };

    /// Reads the state beside sled's files. `is_marked` is whether the watermark says that there is encrypted data.
    pub(super) fn read(sled: &Path, is_marked: bool) -> Result<Self, EngineError> {
        let text = match fs::read(sled.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Err(_) if is_marked => return Err(KeyProblem::Lost.into()),
            Err(_) => return Ok(Self::PLAIN),
        };
        Ok(std::str::from_utf8(&text).map_err(|_| KeyProblem::Damaged).and_then(Self::parse)?)
    }

    fn parse(text: &str) -> Result<Self, KeyProblem> {
        let format = text.strip_prefix(TITLE).and_then(|rest| rest.lines().next()?.parse().ok());
        match format {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(KeyProblem::TooNew(newer)),
            _ => return Err(KeyProblem::Damaged),
        }
        let state = text.lines().skip(1).filter(|line| !line.starts_with("sum ")).try_fold(
            Self { keys: Vec::new(), has_plain: false, principals: None },
            |mut state, line| {
                match line.split_once(' ') {
                    Some(("key", number)) => state.keys.push(number.parse().map_err(|()| KeyProblem::Damaged)?),
                    Some(("principals", secret)) => {
                        state.principals = Some(from_hex(secret).ok_or(KeyProblem::Damaged)?);
                    }
                    None if line == "plain" => state.has_plain = true,
                    _ => return Err(KeyProblem::Damaged),
                }
                Ok(state)
            },
        )?;
        // This also compares the checksum.
        if state.to_text() == text { Ok(state) } else { Err(KeyProblem::Damaged) }
    }

    fn to_text(&self) -> String {
        let mut text = format!("{TITLE}{FORMAT}\n");
        for key in &self.keys {
            let _ = writeln!(text, "key {key}");
        }
        if self.has_plain {
            text.push_str("plain\n");
        }
        if let Some(secret) = &self.principals {
            text.push_str("principals ");
            for byte in secret {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        let sum = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "sum {sum:08x}");
        text
    }

    /// Writes the state, durably and in one step; without a key, removes the file.
    pub(super) fn write(&self, sled: &Path) -> io::Result<()> {
        if self.keys.is_empty() {
            match fs::remove_file(sled.join(FILE)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        } else {
            let new = sled.join(NEW_FILE);
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(PRIVATE_FILE).open(&new)?;
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()?;
            fs::rename(new, sled.join(FILE))?;
        }
        File::open(sled)?.sync_all()
    }

    /// Whether something is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Refuses keys with which the data can't be read.
    pub(super) fn require(&self, keys: Option<&KeyRing>) -> Result<(), KeyProblem> {
        let missing = self.keys.iter().filter(|key| keys.is_none_or(|keys| !keys.has(**key)));
        let missing: Vec<String> = missing.map(ToString::to_string).collect();
        match (missing.is_empty(), keys) {
            (true, _) => Ok(()),
            (false, None) => Err(KeyProblem::NoKeys(missing.join(" and "))),
            (false, Some(_)) => Err(KeyProblem::Missing(missing.join(" and "))),
        }
    }

    /// The state once something may be written with these keys. `is_new` is whether nothing was written before.
    pub(super) fn with(&self, keys: Option<&KeyRing>, is_new: bool) -> Result<Self, KeyProblem> {
        let target = self.target(keys)?;
        if is_new {
            return Ok(target);
        }
        // The rows of principals change later.
        let principals = self.principals_under(keys)?;
        let added = target.keys.into_iter().filter(|key| !self.keys.contains(key));
        Ok(Self {
            keys: self.keys.iter().copied().chain(added).collect(),
            has_plain: self.has_plain || target.has_plain,
            principals,
        })
    }

    /// The state once everything is written with these keys.
    pub(super) fn target(&self, keys: Option<&KeyRing>) -> Result<Self, KeyProblem> {
        Ok(match keys.and_then(KeyRing::writes_under) {
            Some(key) => Self { keys: vec![key], has_plain: false, principals: self.principals_under(keys)? },
            None => Self::PLAIN,
        })
    }

    fn principals_under(&self, keys: Option<&KeyRing>) -> Result<Option<Vec<u8>>, KeyProblem> {
        self.principals.as_ref().map(|secret| principals::encrypted_anew(secret, keys)).transpose()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> KeyNumber {
        text.parse().unwrap()
    }

    #[test]
    fn every_damaged_bit_and_every_cut_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(FILE);
        assert_eq!(EncryptionState::read(temp.path(), false).unwrap(), EncryptionState::PLAIN);
        let lost = EncryptionState::read(temp.path(), true).unwrap_err();
        assert!(matches!(lost, EngineError::Keys(KeyProblem::Lost)));
        let state = EncryptionState {
            keys: vec![number("4f9a12cd"), number("00000001")],
            has_plain: true,
            principals: Some(vec![0xab, 7]),
        };
        state.write(temp.path()).unwrap();
        assert_eq!(EncryptionState::read(temp.path(), true).unwrap(), state);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            fs::write(&path, damaged).unwrap();
            assert!(EncryptionState::read(temp.path(), true).is_err(), "bit {at}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(EncryptionState::read(temp.path(), true).is_err(), "cut to {length} bytes");
        }
        fs::write(&path, "sessiond encryption 2\nwhat is new\n").unwrap();
        let newer = EncryptionState::read(temp.path(), true).unwrap_err().to_string();
        assert!(newer.contains("has the format 2") && newer.contains("use a newer sessiond"), "{newer}");
        EncryptionState::PLAIN.write(temp.path()).unwrap();
        assert!(!path.exists());
    }
}
