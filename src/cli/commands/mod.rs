//! The commands: a file for each, with its arguments, its help and its `run`.

pub(super) mod backup;
pub(super) mod count;
pub(super) mod create;
pub(super) mod csrf;
pub(super) mod delete;
pub(super) mod doctor;
pub(super) mod get;
pub(super) mod handoff;
pub(super) mod health;
pub(super) mod key;
pub(super) mod list;
pub(super) mod lock;
pub(super) mod restore;
pub(super) mod revoke;
pub(super) mod rotate;
pub(super) mod salvage;
pub(super) mod set;
pub(super) mod stats;
pub(super) mod sweep;
pub(super) mod token;
pub(super) mod touch;
pub(super) mod unlock;
pub(super) mod verify;
pub(super) mod watch;
