//! File permissions of a data folder: only the server's user can read its files. The files hold session data, which
//! is encrypted only if there are keys.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only the owner can read and write.
pub(super) const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// The permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// Creates a folder and its parents, unless they exist. Only this user can enter what it creates.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)
}

/// Removes the permissions of others from what has these names in a folder. An older version or a copy may have left
/// them. The folder itself is closed, too, unless it holds anything else.
pub(super) fn close_to_others(folder: &Path, names: &[&str]) {
    let entries = || fs::read_dir(folder).into_iter().flatten().flatten();
    if entries().all(|entry| names.iter().any(|name| entry.file_name() == *name)) {
        close(folder);
    }
    let mut open: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    while let Some(path) = open.pop() {
        close(&path);
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            open.extend(fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

fn close(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() || mode & OTHERS == 0 {
        return;
    }
    match fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)) {
        Ok(()) => tracing::info!(path = %path.display(), "others could read this; now only this user can"),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "others can read this, and it can't be taken from them");
        }
    }
}
