//! The engine on disk: a redo log over sled.
//!
//! A change goes into the redo log (`redo`) and into memory (`memtable`), and one sync of the log makes it durable. A
//! `checkpoint` later writes the changed rows into sled, each row once. Readers see sled's rows under the rows in
//! memory (`layered_table`), and decoded records are cached (`cache`). A `watchdog` watches free space and the progress
//! of the threads. All code that exists because of sled is in one module (`sled`).

mod access;
mod cache;
mod changes;
mod checkpoint;
mod cipher;
mod cold;
mod committer;
mod encryption_state;
mod folder;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod history;
mod inspection;
mod keys;
mod layered_table;
mod memtable;
mod merge;
mod principals;
mod record;
mod recovery;
mod redo;
mod reencryption;
mod repair;
mod salvage;
mod sled;
mod space;
mod sync_watermark;
mod table;
mod tables;
mod verify;
mod watchdog;
mod writer;

pub use encryption_state::KeyProblem;
pub use folder::{DataFolder, FolderError};
pub use inspection::check_keys;
pub use salvage::{Salvaged, salvage};
pub use verify::{Verified, verify};
pub use watchdog::WatchdogOptions;
pub use writer::Durability;

use super::change_tracker::ChangeTrackers;
use super::{
    ChangeTracker, DiskStatistics, Engine, EngineError, EngineFuture, EngineStatistics, EngineStatus, Query,
    Transaction,
};
use crate::encryption::KeyRing;
use checkpoint::{BLOAT, Checkpoint};
use cipher::Cipher;
use cold::Loader;
use committer::Committer;
use encryption_state::EncryptionState;
use inspection::{Inspection, check_keys_of};
use memtable::Memtable;
use principals::PrincipalIndex;
use redo::{RedoFile, RedoWriter};
use reencryption::EncryptionProgress;
use sled::{Database, Log, housekeeping};
use space::Space;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use sync_watermark::{SyncWatermark, WatermarkFile};
use tables::Tables;
use tokio::sync::watch;
use watchdog::{Progress, Watchdog};
use writer::{Limits, Parts, Writer};

/// Half of the cache is for decoded records. A quarter is for rows that are not in sled yet, and a quarter for sled's
/// pages.
const RECORDS_SHARE: u64 = 2;
const PAGES_SHARE: u64 = 4;

/// How to open a [`DurableEngine`].
#[derive(Clone, Debug)]
pub struct DurableOptions {
    /// Memory that the caches and the memtable may take together, in bytes.
    pub cache_bytes: u64,
    /// What an acknowledged change survives.
    pub durability: Durability,
    /// With [`Durability::Interval`], the longest time from a change to its sync.
    pub flush_interval: Duration,
    /// Whether to open a folder without a sync watermark, as older versions left it.
    pub accept_unmarked: bool,
    /// The limits from which on the watchdog reports trouble.
    pub watchdog: WatchdogOptions,
    /// The keys with which the data is encrypted; `None` if it is not.
    pub keys: Option<KeyRing>,
    /// Whether records may be sealed from now on. The folder is then marked for good, so that servers that know no sealed
    /// sessions refuse it.
    pub seals: bool,
}

impl DurableOptions {
    /// For a folder that is worth nothing until it is complete: nothing is synced before it is closed, and the watchdog
    /// reports nothing.
    #[must_use]
    pub fn unsynced(cache_bytes: u64) -> Self {
        Self {
            cache_bytes,
            durability: Durability::None,
            flush_interval: Duration::from_secs(1),
            accept_unmarked: false,
            watchdog: WatchdogOptions { min_free_bytes: 0, stall_timeout: Duration::from_secs(3_600) },
            keys: None,
            seals: false,
        }
    }
}

/// Keeps records in sled.
pub struct DurableEngine {
    tables: Tables,
    writer: Writer,
    loader: Loader,
    status: watch::Receiver<EngineStatus>,
    trackers: ChangeTrackers,
    watchdog: Watchdog,
    encryption: EncryptionProgress,
    is_sealed: bool,
    /// Keeps other processes out for as long as the engine lives.
    _folder: DataFolder,
}

impl DurableEngine {
    /// Opens the data in this folder, or creates it. Opening replays what was changed since the last opening, which
    /// takes time, so it must run where blocking is allowed.
    pub fn open(folder: DataFolder, options: &DurableOptions) -> Result<Self, EngineError> {
        let keys = options.keys.as_ref();
        let (mut inspection, mut encryption) = prepare(&folder, options)?;
        let cipher = Cipher::new(keys, &encryption);
        let is_encrypted = encryption.is_encrypted();
        let is_sealed = options.seals || inspection.may_hold_sealed();
        if inspection.is_new() {
            // The watermark comes before sled's files. In the other order, a crash between the two would leave a folder
            // with data and without a watermark, which is refused.
            let empty = SyncWatermark { is_encrypted, is_sealed, ..SyncWatermark::default() };
            WatermarkFile::create(&folder.sled_path(), empty)?;
        }
        let database = Database::open(&folder, options.cache_bytes / PAGES_SHARE, cipher.clone())?;
        folder.sync()?;
        let sled_path = folder.sled_path();
        let known = SyncWatermark { is_encrypted, is_sealed, ..inspection.watermark.known().unwrap_or_default() };
        let watermark = Arc::new(WatermarkFile::create(&sled_path, known)?);
        let is_damaged = inspection.damaged_pages() > 0;
        // Repairs still read the inspected rows, so they get a copy.
        let rows = &mut inspection.redo.rows;
        let memtable = Memtable::of(if is_damaged { rows.clone() } else { std::mem::take(rows) });
        let progress = [Arc::new(Progress::default()), Arc::new(Progress::default())];
        let space = Arc::new(Space::new(&sled_path, options.watchdog.min_free_bytes));
        let log = Log::new(&database, &sled_path, Arc::clone(&watermark), Arc::clone(&space))?;
        let mut checkpoint = Checkpoint {
            tables: Tables::open(&database, memtable, PrincipalIndex::of(&encryption, keys)?)?,
            settled: log.file_bytes()? / BLOAT,
            turned_at: log.end(),
            given_back_at: log.end(),
            log,
            is_damaged,
            progress: Arc::clone(&progress[1]),
            space: Arc::clone(&space),
            reencryption: None,
        };
        checkpoint.repair_indexes(&database, &inspection)?;
        checkpoint.tables.set_right(known)?;
        checkpoint.write_all_back()?;
        checkpoint.settle_principals(&mut encryption, keys, &sled_path)?;
        checkpoint.tables.take_stock(known.last_event)?;
        checkpoint.tables.cache_records(options.cache_bytes / RECORDS_SHARE);
        let target = encryption.target(keys)?;
        let encryption = checkpoint.begin_reencryption(&database, &cipher, (encryption, target), &watermark)?;
        let tables = checkpoint.tables.clone();
        let last_event = tables.ledger().last_sequence;
        watermark.update(|watermark| watermark.last_event = last_event)?;
        let generation = inspection.redo.next_generation;
        redo::empty(&sled_path, &watermark, generation)?;
        let files = [generation, generation + 1].map(|generation| RedoFile::make(&sled_path, generation, None, false));
        let [file, next_file] = files;
        drop(inspection);

        let (status_sender, status) = watch::channel(EngineStatus::Ready);
        let status_sender = Arc::new(status_sender);
        let trackers = ChangeTrackers::default();
        let (last_event_sender, last_event) = watch::channel(last_event);
        let committer = Committer {
            tables: tables.clone(),
            redo: RedoWriter::begin(generation, file?, cipher),
            durability: options.durability,
            limits: Limits::of(options.cache_bytes),
            status: Arc::clone(&status_sender),
            space: Arc::clone(&space),
            is_damaged,
            trackers: trackers.clone(),
            last_event: last_event_sender,
            waiting: Vec::new(),
            changed_since: None,
            is_syncing: false,
            next_file: Some((generation + 1, next_file?)),
            is_reclaiming: false,
            has_failed: false,
        };
        let parts = Parts {
            committer,
            checkpoint,
            folder: folder.clone(),
            watermark,
            progress: Arc::clone(&progress[0]),
            flush_interval: options.flush_interval,
        };
        let writer = Writer::start(parts, last_event)?;
        let (watched, health) = (options.watchdog.clone(), database.health());
        let watchdog = Watchdog::start(&folder, watched, progress, status_sender, space, writer.reclaimer(), health)?;
        let loader = Loader::new(tables.clone());
        Ok(Self { tables, writer, loader, status, trackers, watchdog, encryption, is_sealed, _folder: folder })
    }
}

/// Reads a folder, refuses it if need be, and makes it ready to be opened with these keys.
fn prepare(folder: &DataFolder, options: &DurableOptions) -> Result<(Inspection, EncryptionState), EngineError> {
    let (sled, keys) = (folder.sled_path(), options.keys.as_ref());
    // Before anything is changed.
    check_keys_of(&sled, keys)?;
    housekeeping::clean_up_interrupted_open(&sled)?;
    folder.sync()?;
    let inspection = Inspection::of(&sled, keys)?;
    judge(&inspection, folder, options.accept_unmarked)?;
    housekeeping::remove_segments(&sled, inspection.stray_segments())?;
    let encryption = inspection.encryption.with(keys, inspection.is_new())?;
    if encryption != inspection.encryption {
        // A key is named before anything is encrypted under it.
        encryption.write(&sled)?;
    }
    Ok((inspection, encryption))
}

/// Spares the next opening its work. sled writes the addresses of its pages only when it opens, so this opens the
/// folder of a stopped engine once more. Damage that happens later is then found when it is read, and is not mistaken
/// for the torn end of a crash.
///
/// The engine must be closed and dropped. A kill in the middle does no harm.
pub fn checkpoint(path: &Path, options: &DurableOptions) -> Result<(), EngineError> {
    let folder = DataFolder::claim(path).map_err(std::io::Error::other)?;
    housekeeping::clean_up_interrupted_open(&folder.sled_path())?;
    folder.sync()?;
    // The rows are not looked at.
    Database::open(&folder, options.cache_bytes / PAGES_SHARE, Cipher::default())?;
    Ok(())
}

/// Refuses a folder in which sled would lose changes or could not work. The error says what to do.
fn judge(inspection: &Inspection, folder: &DataFolder, accept_unmarked: bool) -> Result<(), EngineError> {
    let accepted = accept_unmarked && inspection.lacks_watermark();
    if let Some(damage) = if accepted { inspection.damage_beside_watermark() } else { inspection.refusal() } {
        return Err(EngineError::Damaged { folder: folder.path().into(), damage });
    }
    if inspection.damaged_pages() > 0 {
        tracing::error!(
            folder = %folder.path().display(),
            pages = inspection.damaged_pages(),
            of = inspection.used_pages(),
            "the data is damaged in places; what is there answers DATA_LOSS, and no space is reclaimed; stop the server and run sessiond salvage"
        );
    }
    if accepted {
        tracing::warn!(
            folder = %folder.path().display(),
            "there is no file acknowledged, which accept-unmarked-data takes: damage to the newest changes goes unnoticed this time"
        );
    }
    Ok(())
}

impl Engine for DurableEngine {
    fn read<'a>(&'a self, query: Query<'a>) -> EngineFuture<'a> {
        match self.loader.run(query, None) {
            Ok(result) => EngineFuture::done(result),
            Err(missed) => EngineFuture::under_way(self.loader.read(query, missed)),
        }
    }

    fn commit<'a>(&'a self, transaction: Transaction<'a>) -> EngineFuture<'a> {
        self.writer.commit(transaction, &self.loader)
    }

    fn status(&self) -> watch::Receiver<EngineStatus> {
        self.status.clone()
    }

    fn last_event(&self) -> watch::Receiver<u64> {
        self.writer.last_event()
    }

    fn track_changes(&self) -> ChangeTracker {
        self.trackers.track()
    }

    fn statistics(&self) -> EngineStatistics {
        let (cache_hits, cache_misses) = self.tables.cache_uses();
        let (redo_unwritten, redo) = self.writer.redo_bytes();
        let disk = DiskStatistics {
            redo_unwritten,
            redo,
            checkpoint_backlog: self.tables.memtable.bytes_of_all(),
            cache_hits,
            cache_misses,
            free: self.watchdog.free_bytes(),
        };
        let counted = self.tables.ledger().statistics.clone();
        let (disk_bytes, stalls) = (self.watchdog.disk_bytes(), self.watchdog.stalls());
        let may_hold_sealed = self.is_sealed;
        let encryption = self.encryption.get();
        EngineStatistics { disk_bytes, stalls, disk: Some(disk), encryption, may_hold_sealed, ..counted }
    }

    fn close(&self) -> EngineFuture<'_> {
        EngineFuture::under_way(self.writer.close())
    }
}

impl From<FolderError> for EngineError {
    fn from(error: FolderError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl From<std::io::Error> for EngineError {
    fn from(error: std::io::Error) -> Self {
        if folder::is_full(&error) { Self::DiskFull } else { Self::Storage(Arc::new(error)) }
    }
}
