//! Files that hold secrets: what is wrong with one in words that help, and that show nothing of what stands in it.

use rustix::fs::OFlags;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permission bits of whoever is neither the owner nor in the group of a file.
const OTHERS: u32 = 0o007;

/// No such file is larger, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// What stands on the lines of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    /// How to make a file, after "or"; none where it is written by hand.
    pub(crate) how_to_make: Option<&'static str>,
}

/// Reads the text of a file that other users can't read.
pub(crate) fn read(path: &Path, kind: Kind) -> Result<String, String> {
    let Kind { one, many, how_to_make } = kind;
    let unreadable = |error| match how_to_make {
        Some(way) => format!("can't be read ({error}); check its path and its mode, or {way}"),
        None => format!("can't be read ({error}); check its path and its mode"),
    };
    // Opening a pipe would otherwise wait for its writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("is no file; name a file of {many}"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(format!(
            "is open to every user (mode {mode:04o}); take that away with chmod 0600, and use another {one} if somebody may \
             have read it"
        ));
    }
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    if read.is_err() || text.len() as u64 > MAX_FILE {
        return Err(format!("is no file of {many}; name one with a {one} on each line"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    const SECRETS: Kind = Kind { one: "secret", many: "secrets", how_to_make: Some("guess one") };

    #[test]
    fn a_file_must_be_there_and_readable_for_few() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("secrets");
        let error = |path: &Path| read(path, SECRETS).unwrap_err();
        assert!(error(&path).ends_with("; check its path and its mode, or guess one"), "{}", error(&path));
        assert_eq!(error(temp.path()), "is no file; name a file of secrets");
        fs::write(&path, "text").unwrap();
        for (mode, is_allowed) in [(0o604, false), (0o644, false), (0o602, false), (0o600, true), (0o440, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, SECRETS) {
                Ok(text) => assert!(is_allowed && text == "text", "{mode:o}"),
                Err(error) => assert!(!is_allowed && error.contains(&format!("(mode {mode:04o})")), "{error}"),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for wrong in [vec![0xff; 40], vec![b'#'; 70_000]] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(error(&path), "is no file of secrets; name one with a secret on each line");
        }
    }
}
