//! The stream of events: each once, in order, across crashes; and watchers that harm nobody.

mod crashes;
mod kept;
mod slow;
mod telling;
mod watching;
