//! `sessiond backup`

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::Args;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value as Json, json};
use sessiond_client::{Backup, BackupSummary};
use tokio::signal::ctrl_c;

use crate::cli::complain;
use crate::cli::input::args::ServerArgs;
use crate::cli::output::failure::{Failure, Stop};
use crate::cli::output::progress;
use crate::cli::output::report::Report;
use crate::cli::output::units::{counted, moment, now};

const EXAMPLES: &str = "Examples:
  sessiond backup /backups/sessiond-2026-01-31
  sessiond backup --force sessiond.backup --json
  sessiond backup - | ssh vault 'cat > sessiond.backup'

A backup holds all sessions of all namespaces and the history of events, as they are at one moment. The server goes \
on serving meanwhile. A backup holds no session IDs, but it holds the data of the sessions: encrypted if the server has encryption-keys, \
otherwise not.

The backup is written to FILE.partial, which is renamed to FILE once it is complete and on disk. Only its owner can \
read it. With - as FILE, the backup goes to standard output, and is complete only if the exit code is 0.

sessiond restore FILE restores it.";

/// Only the owner can read and write the file.
const MODE: u32 = 0o600;

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// Where to write the backup; - is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl BackupArgs {
    pub(crate) async fn run(self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Stop> {
        let to_stdout = self.file.as_os_str() == "-";
        if !to_stdout && !self.force && self.file.symlink_metadata().is_ok() {
            return Err(exists(&self.file).into());
        }
        let mut backup = self.server.client()?.backup().await?;
        let interrupted = async {
            // Where there is no such signal, nothing interrupts.
            if ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Stop::Failed(Failure::new("interrupted; no backup was written"))
        };
        tokio::select! {
            stop = interrupted => Err(stop),
            result = self.save(&mut backup, to_stdout, out, err) => result,
        }
    }

    async fn save(
        &self,
        backup: &mut Backup,
        to_stdout: bool,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<(), Stop> {
        let bar = progress::bar("saving", "sessions", None, self.server.json());
        let mut destination =
            if to_stdout { Destination::Output(out) } else { Destination::File(PartialFile::create(&self.file)?) };
        while let Some(data) = backup.next().await {
            destination.write(&data?)?;
            let (sent, expected) = backup.progress();
            bar.set_length(expected);
            bar.set_position(sent.min(expected));
        }
        bar.finish_and_clear();
        // The stream ends without an error only after its summary.
        let summary = backup.summary().cloned().unwrap_or_default();
        let report = Report::new(text(&self.file, &summary, "saved"), to_json(&summary));
        for handle in &summary.damaged_handles {
            complain(err, &format!("session {handle} is damaged and left out"));
        }
        match destination {
            Destination::Output(out) => {
                out.flush()?;
                report.write(self.server.json(), err)?;
            }
            Destination::File(file) => {
                file.finish(self.force)?;
                report.write(self.server.json(), out)?;
            }
        }
        Ok(())
    }
}

/// What was saved or restored, for people.
pub(crate) fn text(file: &Path, summary: &BackupSummary, verb: &str) -> String {
    let mut parts = vec![format!(
        "{} and {}, {}",
        counted(summary.sessions, "session"),
        counted(summary.events, "event"),
        ByteSize(summary.size_bytes).display().iec()
    )];
    parts.extend(summary.backup_time.map(|time| format!(", as of {}", moment(time, now()))));
    if summary.damaged_sessions > 0 {
        parts.push(format!("; without {}", counted(summary.damaged_sessions, "damaged session")));
    }
    if summary.events_damaged {
        parts.push("; without the history of events, which is damaged".to_owned());
    }
    let from = if file.as_os_str() == "-" { String::new() } else { format!(" {}", file.display()) };
    format!("{verb}{from}: {}", parts.concat())
}

/// The same for scripts.
pub(crate) fn to_json(summary: &BackupSummary) -> Json {
    let time = |time: Option<sessiond_client::Timestamp>| time.map(|time| time.to_string());
    json!({
        "format_version": summary.format_version,
        "server_version": summary.server_version,
        "begin_time": time(summary.begin_time),
        "backup_time": time(summary.backup_time),
        "sessions": summary.sessions,
        "events": summary.events,
        "resume_token": summary.resume_token,
        "size_bytes": summary.size_bytes,
        "damaged_sessions": summary.damaged_sessions,
        "damaged_handles": summary.damaged_handles,
        "events_damaged": summary.events_damaged,
    })
}

fn exists(file: &Path) -> Failure {
    Failure::new(format!("{} exists already; choose another name, or replace it with --force", file.display()))
}

enum Destination<'a, W> {
    Output(&'a mut W),
    File(PartialFile),
}

impl<W: Write> Destination<'_, W> {
    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Output(out) => {
                out.write_all(data).map_err(|error| Failure::new(format!("can't write to standard output: {error}")))
            }
            Self::File(file) => file.file.write_all(data).map_err(|error| file.failure(&error)),
        }
    }
}

/// A file that gets its name only once it is complete. If it is dropped before, it is removed.
struct PartialFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl PartialFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let failed = |error: io::Error| Failure::new(format!("can't write to {}: {error}", partial.display()));
        // A file that a killed run left behind is used again, but not one that another run is writing.
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(MODE).open(&partial);
        let file = open.map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(Failure::new(format!("another backup is being written to {}", partial.display())));
        }
        file.set_len(0).and_then(|()| file.set_permissions(Permissions::from_mode(MODE))).map_err(failed)?;
        Ok(Self { file, partial, path: path.to_owned() })
    }

    /// Makes the file durable and gives it its name.
    fn finish(self, replace: bool) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| self.failure(&error))?;
        let renamed = if replace { fs::rename(&self.partial, &self.path) } else { self.rename_to_new() };
        renamed.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&self.path),
            _ => self.failure(&error),
        })?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| self.failure(&error))
    }

    fn rename_to_new(&self) -> io::Result<()> {
        match renameat_with(CWD, &self.partial, CWD, &self.path, RenameFlags::NOREPLACE) {
            // This file system can't rename so.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !self.path.exists() => {
                fs::rename(&self.partial, &self.path)
            }
            renamed => Ok(renamed?),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::new(format!("can't write {}: {error}", self.path.display()))
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Once the file has its name, there is nothing left to remove.
        fs::remove_file(&self.partial).ok();
    }
}
