//! Cold reads: reads that memory can't answer.
//!
//! A query or a transaction first sees only what is in memory ([`WarmView`]). So neither the thread that serves
//! requests nor the lock under which transactions run ever waits for the disk. If memory has no answer, the run is
//! thrown away. A thread of its own reads what was asked for ([`Loader`]), and the query or transaction runs again over
//! the newest state. By then the record is in the cache, and the pages of the other rows are in sled's cache.

mod loaded;
mod loader;
mod view;

pub(super) use loaded::{ColdRead, Loaded};
pub(super) use loader::Loader;
pub(super) use view::{Gate, WarmView};
