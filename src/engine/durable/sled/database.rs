//! Opens sled's files.

use super::SEGMENT_BYTES;
use super::error::refuse;
use super::row_table::RowTable;
use crate::engine::EngineError;
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::folder::DataFolder;
use crate::engine::durable::table::Table;
use std::fmt;
use std::time::Duration;

/// How often to try to open sled's files, and the pause between two tries.
const MAX_LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// sled counts a page by its bytes in the log. As rows in memory it takes up to three times as much (2.3 times with a
/// million small rows). So sled is told a smaller cache than the setting, and takes what the setting says.
const BYTES_PER_CACHED_BYTE: u64 = 3;

/// An open database. Clones share it.
#[derive(Clone)]
pub(in super::super) struct Database {
    pub(super) db: ::sled::Db,
    config: ::sled::Config,
    cipher: Cipher,
}

impl Database {
    /// Opens the database in this folder, or creates it. Its pages may take `cache_bytes` of memory, and its rows are
    /// encrypted by the cipher.
    pub(in super::super) fn open(folder: &DataFolder, cache_bytes: u64, cipher: Cipher) -> Result<Self, EngineError> {
        let config = ::sled::Config::new()
            .path(folder.sled_path())
            .mode(::sled::Mode::HighThroughput)
            .cache_capacity(cache_bytes / BYTES_PER_CACHED_BYTE)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let db = open(&config).map_err(|error| refuse(error, folder))?;
        Ok(Self { db, config, cipher })
    }

    /// The tree with this name, which holds rows of this table. It is created if there is none.
    pub(in super::super) fn table(&self, table: Table, name: &str) -> Result<RowTable, EngineError> {
        Ok(RowTable::new(self.db.open_tree(name)?, table, self.cipher.clone()))
    }

    /// Tells whether sled still works.
    pub(in super::super) fn health(&self) -> Health {
        Health(self.config.clone())
    }

    /// An empty database that is removed when it is dropped.
    #[cfg(test)]
    pub(in super::super) fn temporary() -> Self {
        let config = ::sled::Config::new().temporary(true);
        Self { db: config.open().unwrap(), config, cipher: Cipher::default() }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// Tells whether an open database still works, without keeping it open.
pub(in super::super) struct Health(::sled::Config);

impl Health {
    /// Whether a write in the background has failed. sled then stops working until it is opened again.
    pub(in super::super) fn has_failed(&self) -> bool {
        self.0.global_error().is_err()
    }
}

/// Opens sled's files. No other process uses the folder. But an engine of this process that was just closed may still
/// lock the file, until sled's threads release it a moment later.
fn open(config: &::sled::Config) -> Result<::sled::Db, ::sled::Error> {
    for _ in 0..MAX_LOCK_ATTEMPTS {
        match config.open() {
            Err(::sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}
