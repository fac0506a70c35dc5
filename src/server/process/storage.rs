//! Where the sessions are kept, and how to open that: at the start, and again after a restore.

use crate::clock::ClockFile;
use crate::engine::{DataFolder, DurableEngine, DurableOptions, Engine, EngineError, MemoryEngine};
use std::io;
use std::sync::Arc;

/// Where the sessions are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory only.
    Memory,
    /// In this folder, which this process has claimed.
    Folder(DataFolder, DurableOptions),
}

impl Storage {
    /// Opens the engine, which may take long.
    pub(in crate::server) fn open(&self) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryEngine::default()),
            Self::Folder(folder, options) => Arc::new(DurableEngine::open(folder.clone(), options)?),
        })
    }

    /// Where the newest time is kept; `None` if it ends with the process, as the sessions do.
    pub(super) fn clock_file(&self) -> io::Result<Option<ClockFile>> {
        match self {
            Self::Memory => Ok(None),
            Self::Folder(folder, _) => ClockFile::open(folder.path()).map(Some),
        }
    }

    /// Where a backup can be restored.
    pub(in crate::server) fn restore_target(&self) -> Option<(DataFolder, DurableOptions)> {
        match self {
            Self::Memory => None,
            Self::Folder(folder, options) => Some((folder.clone(), options.clone())),
        }
    }
}
