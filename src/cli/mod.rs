//! The commands of the command line that talk to a running server, and those that work on a data folder without one.
//!
//! Each of the [`commands`] is a set of arguments with a `run` that calls the server and makes a [`Report`], which this file
//! prints; list, stats, watch and backup are handed the outputs and print as they go. This file decides on the exit code.
//! [`input`] and [`output`] are what the commands share; [`mod@bench`] is a program of its own.

mod bench;
mod commands;
mod input;
mod output;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use commands::{
    backup, count, create, csrf, delete, doctor, get, handoff, health, key, list, lock, restore, revoke, rotate,
    salvage, set, stats, sweep, token, touch, unlock, verify, watch,
};
pub(crate) use input::misplaced::misplaced;
use output::failure::{Failure, Stop};
use output::report::Report;
use sessiond::printable::printable;

/// The commands that talk to a running server or work on the data folder of a stopped one.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Ask a server whether it is serving
    Health(health::HealthArgs),
    /// Check a server and the way to it, line by line, with what to do
    Doctor(doctor::DoctorArgs),
    /// Create a session and print its ID
    Create(Box<create::CreateArgs>),
    /// Show a session
    Get(get::GetArgs),
    /// Change a session's attributes, principal, labels or timeouts
    Set(Box<set::SetArgs>),
    /// Start a session's idle timeout again
    Touch(touch::TouchArgs),
    /// Give a session a new ID, as after each log-in, and print it
    Rotate(Box<rotate::RotateArgs>),
    /// End a session
    Delete(delete::DeleteArgs),
    /// List the sessions of a principal or a namespace, newest first
    List(list::ListArgs),
    /// Count the sessions of a principal or a namespace
    Count(count::CountArgs),
    /// End many sessions: log out everywhere
    Revoke(revoke::RevokeArgs),
    /// Print the events of sessions as they happen
    Watch(watch::WatchArgs),
    /// Lock a session for a time and print the lock's token
    Lock(lock::LockArgs),
    /// Release a lock
    Unlock(unlock::UnlockArgs),
    /// Hand a session over to another domain
    #[command(subcommand)]
    Handoff(handoff::HandoffCommand),
    /// Issue and verify tokens against cross-site request forgery
    #[command(subcommand)]
    Csrf(csrf::CsrfCommand),
    /// Show the statistics of a server
    Stats(stats::StatsArgs),
    /// Remove expired sessions now
    Sweep(sweep::SweepArgs),
    /// Check the data of a running server, or the data folder of a stopped one, for damage
    Verify(verify::VerifyArgs),
    /// Save what can be read from a damaged data folder into a new one
    Salvage(salvage::SalvageArgs),
    /// Make and list keys for encryption at rest
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Save all sessions and events of a running server in a file
    Backup(backup::BackupArgs),
    /// Restore a backup into an empty data folder or into an empty running server
    Restore(restore::RestoreArgs),
    /// Make, list and revoke the tokens by which a server knows its callers
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Measure how much a server can do, and compare it with Redis
    Bench(Box<bench::BenchArgs>),
}

/// Runs a command: its result goes to standard output, what went wrong to standard error in one line.
///
/// The exit code is 0 for success, 1 for an error, 2 for wrong usage, be it found here or by the server, and 3 if there is no
/// such session or attribute.
pub(crate) async fn run(command: ClientCommand) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let (json, result) = match command {
        ClientCommand::Health(args) => (args.json(), args.run().await),
        ClientCommand::Doctor(args) => (args.json(), args.run().await),
        ClientCommand::Create(args) => (args.json(), args.run().await),
        ClientCommand::Get(args) => (args.json(), args.run().await),
        ClientCommand::Set(args) => (args.json(), args.run().await),
        ClientCommand::Touch(args) => (args.json(), args.run().await),
        ClientCommand::Rotate(args) => (args.json(), args.run().await),
        ClientCommand::Delete(args) => (args.json(), args.run().await),
        ClientCommand::Count(args) => (args.json(), args.run().await),
        ClientCommand::Revoke(args) => (args.json(), args.run().await),
        ClientCommand::Lock(args) => (args.json(), args.run().await),
        ClientCommand::Unlock(args) => (args.json(), args.run().await),
        ClientCommand::Handoff(command) => (command.json(), command.run().await),
        ClientCommand::Csrf(command) => (command.json(), command.run().await),
        ClientCommand::Key(command) => (command.json(), command.run()),
        ClientCommand::Sweep(args) => (args.json(), args.run().await),
        ClientCommand::Verify(args) => (args.json(), args.run().await),
        ClientCommand::Salvage(args) => (args.json(), args.run().await),
        ClientCommand::Restore(args) => (args.json(), args.run().await),
        ClientCommand::Token(command) => (command.json(), command.run()),
        ClientCommand::Bench(args) => (args.json(), args.run(&mut err).await),
        ClientCommand::Backup(args) => return stopped(args.run(&mut out, &mut err).await, &mut err).into(),
        ClientCommand::List(args) => return stopped(args.run(&mut out).await, &mut err).into(),
        ClientCommand::Watch(args) => return stopped(args.run(&mut out, &mut err).await, &mut err).into(),
        ClientCommand::Stats(args) => return stopped(args.run(&mut out, &mut err).await, &mut err).into(),
    };
    conclude(result, json, &mut out, &mut err).into()
}

fn conclude(result: Result<Report, Failure>, json: bool, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let (report, failure) = match result {
        Ok(report) => (Some(Box::new(report)), None),
        Err(mut failure) => (failure.report.take(), Some(failure)),
    };
    if let Some(report) = report
        && let Err(error) = report.write(json, out)
        && let Stop::Failed(failure) = error.into()
    {
        return fail(&failure, err);
    }
    failure.map_or(0, |failure| fail(&failure, err))
}

/// The end of a command that printed as it went.
fn stopped(result: Result<(), Stop>, err: &mut impl Write) -> u8 {
    match result {
        Ok(()) | Err(Stop::Closed) => 0,
        Err(Stop::Failed(failure)) => fail(&failure, err),
    }
}

fn fail(failure: &Failure, err: &mut impl Write) -> u8 {
    complain(err, &failure.message);
    failure.code
}

fn complain(err: &mut impl Write, message: &str) {
    // What the server says may repeat what others wrote. If standard error is closed, the exit code has to say it all.
    let _ = writeln!(err, "sessiond: {}", printable(message));
}

#[cfg(test)]
mod tests;
