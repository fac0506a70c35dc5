//! Re-encryption: brings everything under the key that encrypts, or into plain if none does.
//!
//! What is written while the server runs is as it should be: the redo log's files are new at each opening, and rows are
//! encrypted when they are written back. So it is enough to go once over what sled has. The checkpoint thread, which alone
//! changes sled, does so in small steps, from the beginning after each opening. A row that is as it should be costs it a
//! look at the row's first bytes. Once it is through and synced, the file `encryption` names one key only.

use super::checkpoint::Checkpoint;
use super::cipher::Cipher;
use super::encryption_state::EncryptionState;
use super::keys::Key;
use super::sled::{Database, Renewed, RowTable, SEGMENT_BYTES};
use super::sync_watermark::WatermarkFile;
use crate::encryption::KeyNumber;
use crate::engine::{EncryptionStatistics, EngineError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many rows a step looks at, and after how many written bytes sled cleans up.
const STEP_ROWS: usize = 64;
const BYTES_BETWEEN_CLEANS: usize = SEGMENT_BYTES / 4;

/// How the data is encrypted, for those who ask. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct EncryptionProgress(Arc<Mutex<Option<EncryptionStatistics>>>);

impl EncryptionProgress {
    /// For a folder in this state; `None` in statistics if nothing is or was encrypted.
    pub(super) fn new(cipher: &Cipher, state: &EncryptionState, sessions: u64) -> Self {
        let key = cipher.writes_under();
        let older_keys: Vec<KeyNumber> = state.keys.iter().copied().filter(|own| Some(*own) != key).collect();
        let sessions_expected = if older_keys.is_empty() && !(state.has_plain && key.is_some()) { 0 } else { sessions };
        let is_plain = key.is_none() && older_keys.is_empty();
        let statistics = EncryptionStatistics {
            key,
            is_partly_plain: key.is_some() && state.has_plain,
            older_keys,
            sessions_checked: 0,
            sessions_expected,
        };
        Self(Arc::new(Mutex::new((!is_plain).then_some(statistics))))
    }

    pub(super) fn get(&self) -> Option<EncryptionStatistics> {
        self.lock().clone()
    }

    fn add_sessions(&self, checked: u64) {
        if let Some(statistics) = &mut *self.lock() {
            statistics.sessions_checked += checked;
        }
    }

    /// Notes that everything is under this key, or in plain.
    fn finish(&self, key: Option<KeyNumber>) {
        *self.lock() = key.map(|key| EncryptionStatistics { key: Some(key), ..EncryptionStatistics::default() });
    }

    fn lock(&self) -> MutexGuard<'_, Option<EncryptionStatistics>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A re-encryption that is under way.
#[derive(Debug)]
pub(super) struct Reencryption {
    /// What is left to look at; the first of them up from `after`.
    trees: VecDeque<RowTable>,
    after: Option<Key>,
    cipher: Cipher,
    /// How the folder is encrypted now, and how in the end.
    state: EncryptionState,
    target: EncryptionState,
    watermark: Arc<WatermarkFile>,
    progress: EncryptionProgress,
    unreadable: u64,
    /// Bytes since sled last cleaned up.
    uncleaned: usize,
}

impl Reencryption {
    /// Looks at the next rows. Returns how many bytes it wrote; `None` once there are no more rows.
    fn step(&mut self) -> Result<Option<usize>, EngineError> {
        let Some(tree) = self.trees.front() else { return Ok(None) };
        let Renewed { last, rows, bytes, unreadable } = tree.renew(self.after.as_ref(), STEP_ROWS)?;
        if tree.has_sessions() {
            self.progress.add_sessions(rows);
        }
        self.unreadable += unreadable;
        self.after = last;
        if self.after.is_none() {
            self.trees.pop_front();
        }
        Ok(Some(bytes))
    }

    /// Notes that everything is encrypted as it should be. It must be on disk.
    fn finish(self) -> Result<(), EngineError> {
        if !self.target.is_encrypted() {
            // The watermark comes first: it must not expect a file that is removed already.
            self.watermark.update(|watermark| watermark.is_encrypted = false)?;
            self.watermark.sync()?;
        }
        self.target.write(self.watermark.folder())?;
        let older = self.state.keys.iter().filter(|key| !self.target.keys.contains(key));
        let older = older.map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        if self.target.is_encrypted() {
            self.cipher.refuse_plain();
        }
        match self.target.keys.first() {
            Some(key) if older.is_empty() => tracing::info!(%key, "all data is encrypted under this key"),
            Some(key) => tracing::info!(
                %key,
                removable = older,
                "all data is encrypted under this key; the older keys may be removed from the file of encryption-keys, but \
                 backups that were made under them still need them"
            ),
            None => tracing::info!(
                removable = older,
                "no data is encrypted any more; the setting encryption-keys may be removed at the next start, but encrypted \
                 backups still need their keys"
            ),
        }
        if self.unreadable > 0 {
            tracing::error!(
                rows = self.unreadable,
                "rows could not be decrypted, and stay as they are; check the data with sessiond verify"
            );
        }
        self.progress.finish(self.target.keys.first().copied());
        Ok(())
    }
}

impl Checkpoint {
    /// Begins to bring the folder from one state into another, if they differ. Returns what tells how far that has come.
    pub(super) fn begin_reencryption(
        &mut self,
        database: &Database,
        cipher: &Cipher,
        (state, target): (EncryptionState, EncryptionState),
        watermark: &Arc<WatermarkFile>,
    ) -> Result<EncryptionProgress, EngineError> {
        let sessions = self.tables.ledger().statistics.sessions.values().sum();
        let progress = EncryptionProgress::new(cipher, &state, sessions);
        if state == target {
            return Ok(progress);
        }
        if self.is_damaged {
            tracing::warn!("the data is damaged in places, so it is not encrypted anew; all keys are still needed");
            return Ok(progress);
        }
        tracing::info!(sessions, "encrypting anew what is in plain or under another key than the first");
        self.reencryption = Some(Reencryption {
            trees: self.tables.trees(database)?.into(),
            after: None,
            cipher: cipher.clone(),
            state,
            target,
            watermark: Arc::clone(watermark),
            progress: progress.clone(),
            unreadable: 0,
            uncleaned: 0,
        });
        Ok(progress)
    }

    /// Whether something is left to encrypt anew, and there is space for it.
    pub(super) fn can_reencrypt(&self) -> bool {
        self.is_reencrypting() && !self.space.is_low() && !self.space.is_exhausted()
    }

    /// Whether something is left to encrypt anew.
    pub(super) fn is_reencrypting(&self) -> bool {
        self.reencryption.is_some()
    }

    /// Encrypts some rows anew, and notes the end after the last.
    pub(super) fn reencrypt_some(&mut self) -> Result<(), EngineError> {
        let Some(reencryption) = &mut self.reencryption else { return Ok(()) };
        self.progress.begin();
        if let Some(bytes) = reencryption.step()? {
            reencryption.uncleaned += bytes;
            let cleans = reencryption.uncleaned >= BYTES_BETWEEN_CLEANS;
            if cleans {
                reencryption.uncleaned = 0;
            }
            self.log.note(bytes)?;
            self.progress.end();
            if cleans {
                self.clean_some()?;
            }
            return Ok(());
        }
        self.log.sync()?;
        if let Some(reencryption) = self.reencryption.take() {
            reencryption.finish()?;
        }
        self.progress.end();
        Ok(())
    }
}
