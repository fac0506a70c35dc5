//! Tests of settings, and what they share.

mod namespaces;
mod refusals;
mod sources;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use super::{Effective, ServeArgs, one_line};

#[derive(Parser)]
#[command(name = "sessiond", args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    args: ServeArgs,
    #[command(subcommand)]
    command: Option<Subcommand>,
}

#[derive(clap::Subcommand)]
enum Subcommand {
    Serve {
        #[command(flatten)]
        args: ServeArgs,
    },
}

/// A settings file in a folder of its own.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("sessiond.toml"), text).expect("a writable folder");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sessiond.toml")
    }
}

/// Loads these flags (separated by spaces) over these variables over this file. An error is one line, in which the
/// file's name has no folder.
fn load(flags: &str, variables: &[(&str, &str)], file: Option<&str>) -> Result<Effective, String> {
    let file = file.map(File::new);
    let command_line = CommandLine::try_parse_from(format!("sessiond {flags}").split_whitespace());
    let mut args = command_line.map_err(|error| one_line(&error))?.args;
    if let Some(file) = &file {
        args.config = Some(file.path());
    }
    let environment = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let loaded = args.load_with(environment).map_err(|error| error.to_string());
    match &file {
        Some(file) => loaded.map_err(|line| line.replace(&file.path().display().to_string(), "sessiond.toml")),
        None => loaded,
    }
}
