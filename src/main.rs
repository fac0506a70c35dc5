//! The `sessiond` binary: it wires the server and the command line.

mod cli;
mod logging;
mod manual;
mod open_files;
mod private;
mod serve;
mod service_manager;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use sessiond::clock;
use sessiond::config::{ServeArgs, one_line};
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code for wrong usage and wrong settings.
const USAGE: u8 = 2;

const EXAMPLES: &str = "Examples:
  sessiond serve --data-dir /var/lib/sessiond
  id=$(sessiond create --quiet theme=dark)
  sessiond get \"$id\"

sessiond serve -h shows the settings of the server, sessiond COMMAND -h the options of a command.

Exit codes: 0 success, 1 error, 2 wrong usage (found here or by the server), 3 no such session or attribute.";

/// One session store for services in every language.
///
/// Without a command, sessiond runs the server, as `sessiond serve` does.
#[derive(Debug, Parser)]
#[command(name = "sessiond", version, arg_required_else_help = false, after_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Show the settings that a server would run with, and where each comes from
    Config {
        #[command(flatten)]
        args: ServeArgs,
        /// Print a settings file with these settings
        #[arg(long)]
        toml: bool,
        /// Print a settings file that explains every setting, and sets only those that are given here
        #[arg(long, conflicts_with = "toml")]
        example: bool,
    },
    /// Print the completions of a shell: its file of completions for sessiond
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, which man -l shows
    Man,
    #[command(flatten)]
    Client(Box<cli::ClientCommand>),
}

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) if is_help(&error) => error.exit(),
        Err(error) => {
            let misplaced = match error.kind() {
                ErrorKind::UnknownArgument => cli::misplaced(CommandLine::command(), std::env::args_os().skip(1)),
                _ => None,
            };
            return complain(USAGE, &misplaced.unwrap_or_else(|| one_line(&error)));
        }
    };
    private::make_private_files();
    match command_line.command.unwrap_or_else(|| Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => match serve::serve(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => complain(failure.code(), &failure),
        },
        Command::Config { args, toml, example } => match args.load() {
            Ok(effective) if example => print(effective.example().as_bytes()),
            Ok(effective) if toml => print(effective.to_toml().as_bytes()),
            Ok(effective) => print(effective.table().as_bytes()),
            Err(error) => complain(USAGE, &error),
        },
        Command::Completions { shell } => {
            let mut file = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), "sessiond", &mut file);
            print(&file)
        }
        Command::Man => match manual::page(CommandLine::command()) {
            Ok(page) => print(&page),
            Err(error) => complain(1, &error),
        },
        Command::Client(command) => match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(cli::run(*command)),
            Err(error) => complain(1, &error),
        },
    }
}

fn is_help(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion)
}

fn print(text: &[u8]) -> ExitCode {
    // A reader that closed the pipe has read enough.
    std::io::stdout().write_all(text).ok();
    ExitCode::SUCCESS
}

fn complain(code: u8, problem: &dyn std::fmt::Display) -> ExitCode {
    // If standard error is closed, only the exit code tells.
    writeln!(std::io::stderr(), "sessiond: {problem}").ok();
    ExitCode::from(code)
}
