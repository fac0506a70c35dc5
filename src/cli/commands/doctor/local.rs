//! What can be seen of a server on this machine: its socket and its data folder.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::statvfs;

use super::{Finding, disk};

/// The rights of everybody, and those of all but the owner.
const OTHERS: u32 = 0o007;
const GROUP_AND_OTHERS: u32 = 0o077;

pub(super) fn socket(path: &str) -> Finding {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::fail(
                "socket",
                format!("{path}: {error}"),
                "is the server running, and is this its socket?",
            );
        }
    };
    let found = format!("{path} has the mode {:04o}", metadata.permissions().mode() & 0o7777);
    if !metadata.file_type().is_socket() {
        Finding::fail("socket", format!("{path} is no socket"), "name the one of listen")
    } else if metadata.permissions().mode() & OTHERS != 0 {
        let remedy = "every user of this machine can connect: set socket-mode to 0600 or 0660";
        Finding::warn("socket", found, remedy)
    } else {
        Finding::ok("socket", found)
    }
}

pub(super) fn folder(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return vec![Finding::fail("data", format!("{shown} is no folder"), "name the one of data-dir")],
        Err(error) => {
            return vec![Finding::fail(
                "data",
                format!("{shown}: {error}"),
                "name the one of data-dir, and be its user",
            )];
        }
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let found = format!("{shown} has the mode {mode:04o}");
    let permissions = if mode & GROUP_AND_OTHERS == 0 {
        Finding::ok("data", found)
    } else {
        Finding::fail("data", found, "others can read sessions: chmod 0700, or restart the server, which does so")
    };
    let space = match statvfs(path) {
        Ok(space) => disk(space.f_bavail.saturating_mul(space.f_frsize)),
        Err(error) => Finding::warn("disk", format!("{shown}: {error}"), "its free space is not known"),
    };
    vec![permissions, space]
}
