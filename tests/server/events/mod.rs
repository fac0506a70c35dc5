//! Tests of the stream of events: each event comes once, in order, across crashes. And watchers harm nobody.

mod crashes;
mod kept;
mod slow;
mod telling;
pub(crate) mod watching;
