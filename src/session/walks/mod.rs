//! Walks over many sessions, or over the history of events, that hold up no request.
//!
//! [`slices`] says how a walk is cut into slices and how long it pauses between them; [`list`] and [`revoke`] go over a
//! list in this way. [`events`] reads the history. [`verify`] and [`backup`] go over everything that is stored; where
//! some of it can't be read, [`skip_damage`] finds where to go on.

pub(super) mod backup;
pub(super) mod events;
pub(super) mod list;
pub(super) mod revoke;
pub(super) mod skip_damage;
pub(super) mod slices;
pub(super) mod verify;
