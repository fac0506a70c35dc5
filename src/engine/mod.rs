//! Where records live: a small versioned record store behind one trait, and its implementations.
//!
//! An engine stores [`Record`](crate::model::Record)s and the index rows that follow from them. It knows no session
//! rules. Whether a session is expired, and who may change it, is decided by the queries and transactions that the
//! engine runs.

mod change_tracker;
mod codec;
mod damage;
mod durable;
mod future;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod index;
mod memory;
mod sequence_gap;
mod statistics;
mod stored;
mod transaction;

pub use change_tracker::ChangeTracker;
pub(crate) use codec::{MAX_LZ4_RATIO, decode_event, decode_record, encode_event, encode_record};
pub(crate) use damage::place_behind;
pub use durable::{
    DataFolder, Durability, DurableEngine, DurableOptions, FolderError, KeyProblem, Salvaged, Verified,
    WatchdogOptions, check_keys, checkpoint, salvage, verify,
};
pub use future::EngineFuture;
pub(crate) use index::{IndexRow, is_indexed, rows_of};
pub use memory::MemoryEngine;
pub use sequence_gap::SequenceGap;
pub use statistics::{DiskStatistics, EncryptionStatistics, EngineStatistics};
pub use transaction::{
    Cause, Change, Counts, Draft, Due, Ended, Expected, Outcome, Query, SessionList, Transaction, View,
};

use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// A versioned record store.
///
/// What every engine promises, and `tests/engine/conformance` checks on each:
/// - transactions take effect one after the other, each as a whole or not at all;
/// - when [`commit`](Engine::commit) has returned `Ok`, every later query and transaction sees the change, and it is as
///   durable as the engine was opened to make it;
/// - a query sees no torn record, and does not wait until changes are durable;
/// - no disk read blocks the thread that polls, or other transactions: what is not in memory is read elsewhere, and the
///   query or the transaction runs again;
/// - index rows are hints: after a crash some may point to nothing, but no record lacks its rows.
pub trait Engine: Send + Sync + 'static {
    /// Runs a query over the newest records.
    ///
    /// An engine may run it more than once, if data has to be fetched first from a disk or over a network. So a query
    /// must change nothing but its own result, and must pass on every error of the view. Only its last run counts.
    fn read<'a>(&'a self, query: Query<'a>) -> EngineFuture<'a>;

    /// Runs a transaction over the newest records and carries out the change that it decides on. Returns when the
    /// change is durable. If the transaction decides to change nothing, returns when what it saw is durable.
    ///
    /// Like a query, it may run more than once, each time over newer records. Only its last run counts.
    fn commit<'a>(&'a self, transaction: Transaction<'a>) -> EngineFuture<'a>;

    /// Whether the engine can do its work. The receiver follows every change.
    fn status(&self) -> watch::Receiver<EngineStatus>;

    /// The sequence number of the newest event that watchers may see. The receiver follows it as it grows. Events up to
    /// it are as durable as the engine was opened to make them.
    fn last_event(&self) -> watch::Receiver<u64>;

    /// Notes which sessions change, from now on until the tracker is dropped.
    fn track_changes(&self) -> ChangeTracker;

    /// What the engine holds and has done.
    fn statistics(&self) -> EngineStatistics;

    /// Makes everything durable and releases the data. No call is accepted afterwards.
    fn close(&self) -> EngineFuture<'_>;
}

/// Whether an engine can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineStatus {
    /// It reads and writes.
    Ready,
    /// It reads and deletes, but refuses writes that need space.
    LowSpace,
    /// It makes no progress; it may recover.
    Stalled,
    /// It can't go on; only a restart helps.
    Failed,
}

/// Why an engine could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// A stored row fails its checksum or can't be decoded.
    #[error("a stored row is damaged: {0}")]
    Corrupt(String),
    /// The data folder is damaged so that it can't be served from.
    #[error(
        "the data folder {folder} is damaged: {damage}; it was left as it is; save what can be read with \
         `sessiond salvage --data-dir {folder} --to NEW-FOLDER`, or restore a backup",
        folder = .folder.display()
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is damaged.
        damage: String,
    },
    /// Too little free disk space to write.
    #[error("too little free disk space to write")]
    StorageFull,
    /// The disk has no space left for what has to be written.
    #[error(
        "the disk of the data folder is full, and some space is needed to write back what was acknowledged, of which nothing \
         is lost; free some space there, or move the folder to a larger disk, and start the server again"
    )]
    DiskFull,
    /// The keys of the data folder don't do.
    #[error("{0}")]
    Keys(#[from] KeyProblem),
    /// The engine has stopped, on request or after a failure.
    #[error("the engine has stopped")]
    Stopped,
    /// The storage below the engine failed.
    #[error("the storage failed: {0}")]
    Storage(Arc<dyn std::error::Error + Send + Sync>),
}
