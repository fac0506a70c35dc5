//! Metrics of the engine, and of the disk that it writes to.

use super::{Families, SECONDS};
use crate::service::Snapshot;
use std::fmt;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, snapshot: &Snapshot) -> fmt::Result {
    let engine = &snapshot.engine;
    families.histogram(
        "sessiond_commit_group_transactions",
        "Transactions that were committed together.",
        &engine.group_sizes,
        1.0,
    )?;
    let Some(disk) = &engine.disk else { return Ok(()) };
    families.histogram(
        "sessiond_redo_sync_duration_seconds",
        "How long it took to write and sync the redo log.",
        &engine.syncs,
        SECONDS,
    )?;
    families.gauge(
        "sessiond_redo_unwritten_bytes",
        "Changes that wait to be written to the redo log.",
        disk.redo_unwritten,
    )?;
    families.gauge("sessiond_redo_bytes", "The present generation of the redo log.", disk.redo)?;
    families.gauge(
        "sessiond_checkpoint_backlog_bytes",
        "Changed rows in memory that are not in the database yet.",
        disk.checkpoint_backlog,
    )?;
    families.counter("sessiond_record_cache_hits", "Sessions that were found in memory.", disk.cache_hits)?;
    families.counter(
        "sessiond_record_cache_misses",
        "Sessions that were looked for elsewhere, because memory did not have them.",
        disk.cache_misses,
    )?;
    families.gauge("sessiond_data_bytes", "Bytes of the data folder.", engine.disk_bytes)?;
    families.gauge("sessiond_disk_free_bytes", "Bytes that are free on the disk of the data folder.", disk.free)?;
    families.counter(
        "sessiond_storage_stalls",
        "How often the storage made no progress for a while.",
        engine.stalls,
    )?;
    if let Some(encryption) = &engine.encryption {
        let left = encryption.older_keys.len() as u64 + u64::from(encryption.is_partly_plain);
        families.gauge(
            "sessiond_encryption_older_keys",
            "Keys besides the first under which data may still be encrypted, and one more if some may be in plain.",
            left,
        )?;
        families.gauge(
            "sessiond_encryption_sessions_checked",
            "Sessions that a re-encryption has looked at since the start.",
            encryption.sessions_checked,
        )?;
    }
    Ok(())
}
