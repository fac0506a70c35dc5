//! Walks over many sessions, or over the history of events, that hold up no request.
//!
//! [`pace`] says how large the slices of a walk are and how long it pauses between them. [`list_walk`] is the walk over a
//! list; [`list`] and [`revoke`] use it. [`events`] reads the history. [`verify`] and [`backup`] go over everything that is stored; where
//! some of it can't be read, [`skip_damage`] finds where to go on.

pub(super) mod backup;
pub(super) mod events;
pub(super) mod list;
pub(super) mod list_walk;
pub(super) mod pace;
pub(super) mod revoke;
pub(super) mod skip_damage;
pub(super) mod verify;
