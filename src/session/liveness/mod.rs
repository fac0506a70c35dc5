//! Which session an ID opens, and whether it is still live.
//!
//! Read [`lookup`] first, which finds the record; then [`expiry`], the one place that decides whether a session has
//! expired; then [`touches`], the last accesses on which that decision rests.

pub(super) mod expiry;
pub(super) mod lookup;
pub(super) mod touches;
