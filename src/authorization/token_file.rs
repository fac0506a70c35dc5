//! The token file: a line for each token, with its hash. People can read it; `sessiond token` writes it.

use super::token::{Token, TokenHash, is_id};
use crate::clock::time_of_day;
use crate::model::{NAMESPACE_RULE, is_namespace};
use crate::watched_file;
use rustix::fs::{FlockOperation, flock};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// More tokens make no sense, and every one is a risk.
const MAX_TOKENS: usize = 10_000;

const HEADER: &str = "# Tokens of sessiond. Written by `sessiond token`; a token itself stands nowhere.\n\
                      # id caller made expires sha256\n";

/// The end of the year 9999, in seconds since 1970: the file writes a year with four digits.
const LATEST_SECONDS: u64 = 253_402_300_799;

/// What stands in place of a time that never comes.
const NEVER: &str = "-";

/// A token as the file has it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// What names it.
    pub id: String,
    /// Whose it is.
    pub caller: String,
    /// When it was made.
    pub made: SystemTime,
    /// When it ends; `None` for never.
    pub expires: Option<SystemTime>,
    pub(super) hash: TokenHash,
}

impl TokenEntry {
    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= time_of_day())
    }
}

impl std::fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenEntry").field("id", &self.id).field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Why a token file could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// What it holds can't be used.
    #[error("{0} {1}")]
    Unusable(PathBuf, String),
    /// It can't be written.
    #[error("{0} can't be written ({1}); check its folder and its mode")]
    Write(PathBuf, io::Error),
    /// The name is none that a caller can have.
    #[error("{0:?} is not a name for a caller; write {NAMESPACE_RULE}")]
    Name(String),
    /// There is no such token.
    #[error("{1} has no token {0:?}; sessiond token list shows those that it has")]
    Unknown(String, PathBuf),
    /// There are too many.
    #[error("{0} has {MAX_TOKENS} tokens, and there can be no more; revoke those that are not needed")]
    Full(PathBuf),
    /// It would last too long.
    #[error(
        "a token can't last beyond the year 9999; give it a shorter time, or none, and it lasts until it is revoked"
    )]
    Lifetime,
    /// The system has no random numbers.
    #[error("no token can be made ({0})")]
    Random(getrandom::Error),
}

/// A token file.
#[derive(Clone, Debug)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The file at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// All tokens, in the order in which they were made.
    pub fn read(&self) -> Result<Vec<TokenEntry>, TokenFileError> {
        read(&self.0).map_err(|problem| TokenFileError::Unusable(self.0.clone(), problem))
    }

    /// Makes a token for a caller, which lasts so long or for ever. The file is made if it is not there; only its user can read it.
    pub fn create(&self, caller: &str, lifetime: Option<Duration>) -> Result<(Token, TokenEntry), TokenFileError> {
        if !is_namespace(caller) {
            return Err(TokenFileError::Name(caller.to_owned()));
        }
        let made = time_of_day();
        let expires = lifetime.map(|lifetime| end_of(made, lifetime).ok_or(TokenFileError::Lifetime)).transpose()?;
        let _alone = self.lock()?;
        let mut entries = if self.0.exists() { self.read()? } else { Vec::new() };
        if entries.len() >= MAX_TOKENS {
            return Err(TokenFileError::Full(self.0.clone()));
        }
        let token = Token::mint().map_err(TokenFileError::Random)?;
        let entry =
            TokenEntry { id: token.id().to_owned(), caller: caller.to_owned(), made, expires, hash: token.hash() };
        entries.push(entry.clone());
        self.write(&entries)?;
        Ok((token, entry))
    }

    /// Ends a token, and returns what it was.
    pub fn revoke(&self, id: &str) -> Result<TokenEntry, TokenFileError> {
        let _alone = self.lock()?;
        let mut entries = self.read()?;
        let at = entries.iter().position(|entry| entry.id == id);
        let at = at.ok_or_else(|| TokenFileError::Unknown(id.to_owned(), self.0.clone()))?;
        let revoked = entries.remove(at);
        self.write(&entries)?;
        Ok(revoked)
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Keeps others from changing the file meanwhile. The lock is on its folder, since the file itself is replaced.
    fn lock(&self) -> Result<File, TokenFileError> {
        let lock = || {
            let folder = File::open(self.folder())?;
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        };
        lock().map_err(|error| TokenFileError::Write(self.0.clone(), error))
    }

    /// Replaces the file at once: a server that reads it meanwhile sees the old or the new. Its owner and mode stay.
    fn write(&self, entries: &[TokenEntry]) -> Result<(), TokenFileError> {
        self.replace(&text_of(entries)).map_err(|error| TokenFileError::Write(self.0.clone(), error))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.folder().join(name);
        // Of a process that was killed here.
        fs::remove_file(&new)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        if let Ok(old) = fs::metadata(&self.0) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
            file.set_permissions(fs::Permissions::from_mode(old.mode()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        File::open(self.folder())?.sync_all()
    }
}

/// The tokens of a file; the error says what is wrong with it and what to do.
pub(super) fn read(path: &Path) -> Result<Vec<TokenEntry>, String> {
    let text = watched_file::read(path, "a file of `sessiond token create`")?;
    let text = String::from_utf8(text).map_err(|_| "is no text; use a file of `sessiond token create`".to_owned())?;
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = parse(line).ok_or_else(|| {
            format!("line {} is no line of `sessiond token create` (id caller made expires sha256); remove it", at + 1)
        })?;
        entries.push(entry);
    }
    if entries.len() > MAX_TOKENS {
        return Err(format!("has more than {MAX_TOKENS} tokens; revoke those that are not needed"));
    }
    Ok(entries)
}

/// When a token ends that lasts so long; `None` if that can't be written.
fn end_of(made: SystemTime, lifetime: Duration) -> Option<SystemTime> {
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(LATEST_SECONDS);
    made.checked_add(lifetime).filter(|end| *end <= latest)
}

fn parse(line: &str) -> Option<TokenEntry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [id, caller, made, expires, hash] = fields[..] else { return None };
    let time = |text: &str| humantime::parse_rfc3339(text).ok();
    Some(TokenEntry {
        id: Some(id).filter(|id| is_id(id))?.to_owned(),
        caller: Some(caller).filter(|caller| is_namespace(caller))?.to_owned(),
        made: time(made)?,
        expires: if expires == NEVER { None } else { Some(time(expires)?) },
        hash: parse_hash(hash)?,
    })
}

fn parse_hash(text: &str) -> Option<TokenHash> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> =
        text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
    bytes?.try_into().ok()
}

fn text_of(entries: &[TokenEntry]) -> String {
    let mut text = HEADER.to_owned();
    for TokenEntry { id, caller, made, expires, hash } in entries {
        let time = humantime::format_rfc3339_seconds;
        let expires = expires.map_or_else(|| NEVER.to_owned(), |expires| time(expires).to_string());
        let hash = hash.iter().fold(String::new(), |mut hash, byte| {
            // Writing to text can't fail.
            write!(hash, "{byte:02x}").ok();
            hash
        });
        writeln!(text, "{id} {caller} {} {expires} {hash}", time(*made)).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_made_listed_and_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let file = TokenFile::at(&path);
        let (first, _) = file.create("shop", None).unwrap();
        let (second, _) = file.create("shop", Some(Duration::from_secs(60))).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let ids: Vec<_> = file.read().unwrap().into_iter().map(|entry| (entry.id, entry.hash)).collect();
        assert_eq!(ids, [(first.id().to_owned(), first.hash()), (second.id().to_owned(), second.hash())]);
        assert!(!fs::read_to_string(&path).unwrap().contains(first.reveal()));

        assert_eq!(file.revoke(first.id()).unwrap().caller, "shop");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(file.read().unwrap().len(), 1);
        assert!(matches!(file.revoke(first.id()), Err(TokenFileError::Unknown(..))));
        assert!(matches!(file.create("No Name", None), Err(TokenFileError::Name(_))));
    }

    #[test]
    fn a_token_that_would_outlast_the_year_9999_is_refused_and_not_made_endless() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens"));
        let since_1970 = time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let rest = Duration::from_secs(LATEST_SECONDS).saturating_sub(since_1970);
        for lifetime in [rest + Duration::from_secs(60), Duration::from_secs(1 << 62), Duration::MAX] {
            let refused = file.create("shop", Some(lifetime));
            assert!(matches!(refused, Err(TokenFileError::Lifetime)), "{lifetime:?}");
        }
        file.create("shop", Some(rest.saturating_sub(Duration::from_secs(60)))).unwrap();
        assert!(file.read().unwrap()[0].expires.is_some());
    }

    #[test]
    fn a_file_with_as_many_tokens_as_there_can_be_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let file = TokenFile::at(&path);
        let (_, longest) = file.create(&"n".repeat(63), Some(Duration::from_secs(60))).unwrap();
        fs::write(&path, text_of(&vec![longest; MAX_TOKENS - 1])).unwrap();
        let (last, _) = file.create("shop", None).unwrap();
        assert!(matches!(file.create("shop", None), Err(TokenFileError::Full(_))));
        assert_eq!(file.read().unwrap().len(), MAX_TOKENS);
        file.revoke(last.id()).unwrap();
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let good = text_of(&[TokenEntry {
            id: "abcdefgh".into(),
            caller: "shop".into(),
            made: SystemTime::UNIX_EPOCH,
            expires: None,
            hash: [7; 32],
        }]);
        for bad in ["sdt_x", "abcdefgh shop 1970-01-01T00:00:00Z - 00", "abcdefgh shop then - 00", "a b c d e f"] {
            fs::write(&path, format!("{good}{bad}\n")).unwrap();
            let problem = read(&path).unwrap_err();
            assert!(problem.starts_with("line 4 is no line"), "{problem}");
            assert!(!problem.contains(bad));
        }
        fs::write(&path, good).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }
}
