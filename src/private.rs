//! Keeps what sessions hold to this user: files that the process makes, and what a crash would write of its memory.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

/// From now on only this user can read what the process makes, whatever the umask was.
pub(crate) fn make_private_files() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Has the system write no core file, which would hold session IDs and attributes. That also keeps debuggers of the same user
/// out; those of root can still attach.
pub(crate) fn forbid_core_files() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash may leave a core file, which holds what sessions hold");
    }
}
