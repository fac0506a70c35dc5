//! The client commands of the command line: health, create, get, set, touch, rotate, delete.
//!
//! Each command is a set of arguments with a `run` that calls the server and makes a [`output::Report`]. Only this file
//! prints and decides on the exit code.

mod args;
mod assignment;
mod create;
mod delete;
mod failure;
mod get;
mod health;
mod output;
mod rotate;
mod secret;
mod set;
mod touch;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Subcommand;

use failure::{FAILED, Failure};
use output::Report;

/// The commands that talk to a running server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Ask a server whether it is serving
    Health(health::HealthArgs),
    /// Make a session and print its ID
    Create(create::CreateArgs),
    /// Show a session
    Get(get::GetArgs),
    /// Change a session's attributes, principal, labels or timeouts
    Set(set::SetArgs),
    /// Slide a session's idle timeout
    Touch(touch::TouchArgs),
    /// Give a session a new ID, as at every log in, and print it
    Rotate(rotate::RotateArgs),
    /// End a session
    Delete(delete::DeleteArgs),
}

/// Runs a command: its result goes to standard output, what went wrong to standard error in one line.
///
/// The exit code is 0 for success, 1 for an error, 3 if there is no such session or attribute.
pub(crate) async fn run(command: ClientCommand) -> ExitCode {
    let (json, result) = match command {
        ClientCommand::Health(args) => (args.json(), args.run().await),
        ClientCommand::Create(args) => (args.json(), args.run().await),
        ClientCommand::Get(args) => (args.json(), args.run().await),
        ClientCommand::Set(args) => (args.json(), args.run().await),
        ClientCommand::Touch(args) => (args.json(), args.run().await),
        ClientCommand::Rotate(args) => (args.json(), args.run().await),
        ClientCommand::Delete(args) => (args.json(), args.run().await),
    };
    conclude(result, json, &mut io::stdout().lock(), &mut io::stderr().lock()).into()
}

fn conclude(result: Result<Report, Failure>, json: bool, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let (report, complaint, code) = match result {
        Ok(report) => (Some(Box::new(report)), None, 0),
        Err(Failure { message, code, report }) => (report, Some(message), code),
    };
    if let Some(report) = report
        && let Err(error) = report.write(json, out)
        // Whoever closed the pipe has read enough.
        && error.kind() != ErrorKind::BrokenPipe
    {
        complain(err, &format!("can't write to standard output: {error}"));
        return FAILED;
    }
    if let Some(complaint) = complaint {
        complain(err, &complaint);
    }
    code
}

fn complain(err: &mut impl Write, message: &str) {
    // If standard error is closed, the exit code has to say it all.
    let _ = writeln!(err, "sessiond: {message}");
}

#[cfg(test)]
mod tests;
