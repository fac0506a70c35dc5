//! `sessiond restore`

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use indicatif::ProgressBar;
use sessiond::backup::{Restored, restore};
use sessiond::clock::ClockFile;
use sessiond::encryption::KeyRing;
use sessiond::engine::{DataFolder, DurableOptions, WatchdogOptions};
use sessiond::model::ResumeToken;
use sessiond_client::{Address, BackupSummary, Client};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::backup::{text, to_json};
use crate::cli::input::args::{KeyArgs, OutputArgs, TlsArgs, TokenArgs};
use crate::cli::output::failure::Failure;
use crate::cli::output::progress;
use crate::cli::output::report::Report;
use crate::cli::output::units::timestamp;

const EXAMPLES: &str = "Examples:
  sessiond restore sessiond.backup --data-dir /var/lib/sessiond
  sessiond restore sessiond.backup --server 127.0.0.1:50051
  ssh vault 'cat sessiond.backup' | sessiond restore - --data-dir /var/lib/sessiond

The command restores the whole backup, or nothing if anything is wrong with it or if the command is killed. With \
--data-dir, no server may be using the folder, and nothing may be stored in it. With --server, the server may hold \
no session and no event. Sessions, their IDs, versions and timeouts are as they were, and watchers can resume. \
Sessions that have expired since the backup are gone.

Exit codes: 0 success, 1 error, 2 wrong usage.";

/// Memory for the engine that is filled, in bytes.
const CACHE_BYTES: u64 = 256 << 20;

/// Disk space that is left free, in bytes.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// After so long without progress, the storage counts as stuck.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The bytes in one message, and how many messages wait for the connection.
const PART_BYTES: usize = 256 << 10;
const BUFFER: usize = 4;

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Restore into this data folder; it must be empty or absent, and no server may be using it
    #[arg(long, value_name = "DIR", required_unless_present = "server", conflicts_with = "server")]
    data_dir: Option<PathBuf>,

    /// Restore into the running server at this address: HOST:PORT, https://HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Address>,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl RestoreArgs {
    pub(crate) fn json(&self) -> bool {
        self.output.json
    }

    pub(crate) async fn run(self) -> Result<Report, Failure> {
        let (source, size): (Box<dyn Read + Send>, _) = if self.file.as_os_str() == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(&self.file).map_err(|error| unreadable(&self.file, &error))?;
            let size = file.metadata().map_err(|error| unreadable(&self.file, &error))?.len();
            (Box::new(file), Some(size))
        };
        let bar = progress::bar("restoring", "bytes", size, self.output.json);
        let source = bar.wrap_read(source);
        let summary = match (&self.data_dir, &self.server) {
            (Some(folder), _) => into_folder(source, folder.clone(), self.keys.load()?).await?,
            (None, Some(server)) => {
                let client = Client::builder().address(server.to_string()).tls(self.tls.tls());
                into_server(source, self.token.apply(client).connect_lazy()?, &self.file).await?
            }
            (None, None) => return Err(Failure::usage("say where to restore: --data-dir or --server")),
        };
        ProgressBar::finish_and_clear(&bar);
        Ok(Report::new(text(&self.file, &summary, "restored"), to_json(&summary)))
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("can't read {}: {error}", file.display()))
}

async fn into_folder(
    source: impl Read + Send + 'static,
    folder: PathBuf,
    keys: Option<KeyRing>,
) -> Result<BackupSummary, Failure> {
    let options = DurableOptions {
        keys,
        watchdog: WatchdogOptions { min_free_bytes: MIN_FREE_BYTES, stall_timeout: STALL_TIMEOUT },
        ..DurableOptions::unsynced(CACHE_BYTES)
    };
    let work = move || {
        let is_new = !folder.exists();
        let claimed = DataFolder::claim_empty(&folder).map_err(|error| Failure::new(error.to_string()))?;
        let built = restore(source, &claimed, &options).map_err(|error| {
            if is_new {
                claimed.abandon();
            }
            Failure::new(format!("nothing was restored: {error}"))
        })?;
        let restored = built.install();
        // What had expired when the backup was made stays expired, even under a clock that is behind.
        let restored = restored.and_then(|restored| {
            ClockFile::raise(claimed.path(), restored.backup.cut.moment)?;
            Ok(restored)
        });
        restored.map_err(|error| Failure::new(format!("the restored data could not be put in place: {error}")))
    };
    let Restored { backup, sessions, events } =
        tokio::task::spawn_blocking(work).await.map_err(|error| Failure::new(error.to_string()))??;
    let (opening, cut) = (backup.opening, backup.cut);
    Ok(BackupSummary {
        format_version: opening.format_version,
        server_version: opening.server_version,
        begin_time: Some(timestamp(opening.begun)),
        backup_time: Some(timestamp(cut.moment)),
        sessions,
        events,
        size_bytes: backup.bytes,
        damaged_sessions: cut.damaged_count,
        damaged_handles: cut.damaged.iter().map(ToString::to_string).collect(),
        events_damaged: cut.history_damaged,
        resume_token: ResumeToken { sequence: cut.last_event }.to_string(),
    })
}

async fn into_server(
    source: impl Read + Send + 'static,
    client: Client,
    file: &Path,
) -> Result<BackupSummary, Failure> {
    let (parts, received) = mpsc::channel(BUFFER);
    // Not on the runtime, which would wait for its end: it may hang on standard input when the server has refused already.
    thread::spawn(move || send_parts(source, &parts));
    let failure = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&failure);
    let note = move |error| *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    let parts = ReceiverStream::new(received).map_while(move |part: io::Result<Bytes>| part.map_err(&note).ok());
    let restored = client.restore(parts).await;
    // What could not be read reached the server cut off, which it says in its own words.
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(unreadable(file, &error)),
        None => Ok(restored?),
    }
}

/// Reads up to the end, or until nobody wants more.
fn send_parts(mut source: impl Read, parts: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = (&mut source).take(PART_BYTES as u64).read_to_end(&mut part);
        let goes_on = match read {
            Ok(0) => false,
            Ok(_) => parts.blocking_send(Ok(part.into())).is_ok(),
            Err(error) => {
                // Whoever does not want more does not want the error either.
                parts.blocking_send(Err(error)).ok();
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}
