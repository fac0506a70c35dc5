//! Reads that memory can't answer.
//!
//! A query and a transaction first see only what is in memory ([`WarmView`]): neither the thread that serves requests nor the
//! lock under which transactions run ever waits for the disk. Where memory has no answer, the run is thrown away. What was
//! asked for is read on a thread of its own ([`Loader`]), and the query or the transaction runs again over what is newest
//! then. By that time the record is in the cache, and the pages of the other rows are in sled's.

mod loaded;
mod loader;
mod view;

pub(super) use loaded::{ColdRead, Loaded};
pub(super) use loader::Loader;
pub(super) use view::{Gate, WarmView};
