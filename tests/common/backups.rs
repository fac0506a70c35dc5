//! Helpers that take and restore backups.

use super::{LONG, Run, Server, binary, run};
use bytes::Bytes;
use sessiond_client::{BackupSummary, Client, Error};
use std::path::Path;

/// Takes a whole backup: its bytes, and what the server says about it.
pub(crate) async fn back_up(client: &Client) -> Result<(Vec<u8>, BackupSummary), Error> {
    let mut backup = client.backup().await?;
    let mut bytes = Vec::new();
    while let Some(data) = tokio::time::timeout(LONG, backup.next()).await.unwrap() {
        bytes.extend(data?);
    }
    Ok((bytes, backup.summary().cloned().unwrap()))
}

/// Sends a backup to a server.
pub(crate) async fn restore(client: &Client, backup: &[u8]) -> Result<BackupSummary, Error> {
    let parts: Vec<Bytes> = backup.chunks(100_000).map(Bytes::copy_from_slice).collect();
    client.restore(tokio_stream::iter(parts)).await
}

/// A new server that has restored a backup.
pub(crate) async fn restored(backup: &[u8], flags: &[&str]) -> (Server, BackupSummary) {
    let server = Server::start_with(flags);
    let summary = restore(&server.client(), backup).await.unwrap();
    (server, summary)
}

/// `sessiond backup FILE`, with more arguments.
pub(crate) fn run_backup(server: &Server, file: &Path, more: &[&str]) -> Run {
    run(binary().arg("backup").arg(file).args(["--addr", server.address()]).args(more))
}

/// `sessiond restore FILE --data-dir FOLDER`, with more arguments.
pub(crate) fn run_restore(file: &Path, folder: &Path, more: &[&str]) -> Run {
    run(binary().arg("restore").arg(file).arg("--data-dir").arg(folder).args(more))
}

/// The sorted names of a folder's entries.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
