//! Who can read the files of a data folder: only the user whose server it is. They hold what sessions hold, as it is.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What only its owner can read and write.
pub(super) const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// What others might do.
const OTHERS: u32 = 0o077;

/// Makes a folder, and those above it, that only this user can enter, unless it is there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)
}

/// Takes from others what an older version, or a copy, let them read of what has these names in a folder. If the folder holds
/// anything else it stays as it is itself: what is in it is closed all the same.
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
