//! What a request can do with one session, or with a few that it names: a file for each operation.
//!
//! [`create`], [`get`], [`update`], [`rotate`] and [`delete`] come first; they share [`change`], the rules by which a
//! change is applied, and [`principal_limit`]. [`batch`] does the same for many IDs in one call. [`locks`], [`handoff`]
//! and [`csrf`] stand on their own.

pub(super) mod batch;
pub(super) mod change;
pub(super) mod create;
pub(super) mod csrf;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod handoff;
pub(super) mod locks;
pub(super) mod principal_limit;
pub(super) mod rotate;
pub(super) mod update;
