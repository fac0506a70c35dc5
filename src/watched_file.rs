//! Files that are read again when they change: reading one without waiting for anybody, and noticing a change.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The permission of whoever is neither the owner nor in the group of a file to write it.
const OTHERS_WRITE: u32 = 0o002;

/// No file is larger. It is enough for as many tokens as a token file may have.
pub(crate) const MAX_BYTES: u64 = 2 << 20;

/// What changes when a file is replaced, is written, or gets another owner or mode; `None` while it can't be looked at.
pub(crate) type Stamp = Option<[i64; 7]>;

/// Reads a file, but nothing that never ends or never begins. The error says what is wrong and what to do; `kind` is what
/// the file should be, such as "a PEM file".
pub(crate) fn read(path: &Path, kind: &str) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("can't be read ({error}); check its path and its mode");
    // Opening a pipe would otherwise wait for its writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("is no file; use {kind}"));
    }
    // Whoever can write it says who gets in.
    let mode = metadata.mode() & 0o777;
    if mode & OTHERS_WRITE != 0 {
        return Err(format!(
            "can be written by every user (mode {mode:04o}); take that away with chmod o-w, and look at what it holds"
        ));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than 2 MiB; use {kind}"));
    }
    Ok(text)
}

/// The file as it is now.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (place, length) = ([number(found.dev()), number(found.ino())], number(found.len()));
    Some([place[0], place[1], length, found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_every_user_can_write_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        for (mode, is_read) in [(0o644, true), (0o664, true), (0o646, false), (0o602, false), (0o600, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, "a file") {
                Ok(text) => assert!(is_read && text == b"text", "{mode:o}"),
                Err(problem) => assert!(!is_read && problem.contains(&format!("(mode {mode:04o})")), "{problem}"),
            }
        }
    }
}
