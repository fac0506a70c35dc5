//! Keeps session data from other users: in files that the process creates, and in core files of its memory.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

/// From now on, only this user can read files that the process creates, whatever the umask was.
pub(crate) fn make_private_files() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Forbids core files, which would hold session IDs and attributes. This also keeps out debuggers of the same user;
/// root can still attach one.
pub(crate) fn forbid_core_files() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash may leave a core file, which holds the data of sessions");
    }
}
