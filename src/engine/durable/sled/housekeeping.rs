//! Keeps sled's files as sled needs them: removes what an interrupted opening left, and segments that sled must not
//! see.

use super::log_path;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Opens a second descriptor of sled's log. A flush is durable only once this is synced.
pub(in super::super) fn open_log(sled: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(log_path(sled))
}

/// How many blob files sled has written. There should be none, because sled does not sync them.
pub(in super::super) fn blob_files(sled: &Path) -> usize {
    fs::read_dir(sled.join("blobs")).map_or(0, Iterator::count)
}

/// Removes segments of sled's log that follow a break in it. Nothing in them was synced.
pub(in super::super) fn remove_segments(sled: &Path, segments: &[u64]) -> io::Result<()> {
    if segments.is_empty() {
        return Ok(());
    }
    tracing::warn!(segments = segments.len(), "the log breaks off behind the last sync; removing what follows");
    let log = open_log(sled)?;
    for at in segments {
        // sled ignores a segment without a header.
        log.write_all_at(&[0; 20], *at)?;
    }
    log.sync_data()
}

/// Removes the half-written files of an interrupted opening, which would keep sled from opening: snapshots, and its
/// settings. sled writes the same settings again, since they never change.
pub(in super::super) fn clean_up_interrupted_open(sled: &Path) -> io::Result<()> {
    let settings = sled.join("conf");
    if fs::read(&settings).is_ok_and(|bytes| !is_whole(&bytes)) {
        tracing::warn!(file = %settings.display(), "sled's settings are damaged or unfinished; writing them anew");
        fs::remove_file(settings)?;
    }
    for file in fs::read_dir(sled)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            tracing::warn!(file = %path.display(), "an earlier start was interrupted; removing its unfinished snapshot");
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether sled's settings match their checksum.
fn is_whole(settings: &[u8]) -> bool {
    let parts = settings.split_last_chunk();
    parts.is_some_and(|(settings, checksum)| crc32fast::hash(settings) == u32::from_le_bytes(*checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_snapshot_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let unfinished = temp.path().join("snap.0000000000000123.generating");
        let finished = temp.path().join("snap.0000000000000100");
        fs::write(&unfinished, "half").unwrap();
        fs::write(&finished, "whole").unwrap();
        clean_up_interrupted_open(temp.path()).unwrap();
        assert!(!unfinished.exists());
        assert!(finished.exists());
    }

    #[test]
    fn damaged_settings_are_written_again() {
        let temp = tempfile::tempdir().unwrap();
        let settings = temp.path().join("conf");
        let open = || ::sled::Config::new().path(temp.path()).open().map(drop);
        open().unwrap();
        let whole = fs::read(&settings).unwrap();
        for damaged in [vec![0; whole.len()], whole[..whole.len() - 4].to_vec(), whole[..2].to_vec(), Vec::new()] {
            fs::write(&settings, damaged).unwrap();
            clean_up_interrupted_open(temp.path()).unwrap();
            assert!(!settings.exists());
            open().unwrap();
            assert_eq!(fs::read(&settings).unwrap(), whole);
        }
        clean_up_interrupted_open(temp.path()).unwrap();
        assert!(settings.exists(), "whole settings stay");
    }
}
