//! The manual page: all commands and all settings on one page, made from the declarations of the command line.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io::{self, Write as _};

/// The page in the format of `man`.
pub(crate) fn page(mut program: Command) -> io::Result<Vec<u8>> {
    program.build();
    let mut page = Vec::new();
    // The empty date keeps the page the same for the same version; clap_mangen would leave it out, and what follows would move.
    let version = program.get_version().unwrap_or_default();
    writeln!(page, ".TH sessiond 1 \"\" \"sessiond {version}\" \"User Commands\"")?;
    let man = Man::new(program.clone());
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    remarks(&program).to_writer(&mut page)?;
    for command in commands(&program) {
        chapter(command, &program, &mut page)?;
    }
    Ok(page)
}

/// Every command that can be run, without those that only have commands below them.
fn commands(program: &Command) -> Vec<&Command> {
    let mut found = Vec::new();
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        if command.has_subcommands() {
            found.extend(commands(command));
        } else {
            found.push(command);
        }
    }
    found
}

/// A section about one command, with subsections.
fn chapter(command: &Command, program: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut roff = Roff::new();
    roff.control("SH", [name.as_str()]);
    // What every command has needs no saying.
    let mut command = command.clone().mut_arg("help", |arg| arg.hide(true));
    if command.get_name() == "config" {
        roff.text([roman("Takes the settings of sessiond serve as well, which are described there.")]);
        for setting in settings(program) {
            command = command.mut_arg(setting, |arg| arg.hide(true));
        }
    }
    roff.to_writer(page)?;

    let remarks = remarks(&command);
    let has_options = command.get_arguments().any(|arg| !arg.is_hide_set());
    let man = Man::new(command);
    let mut sections = Vec::new();
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    if has_options {
        man.render_options_section(&mut sections)?;
    }
    remarks.to_writer(&mut sections)?;
    // Each is a section of its own elsewhere, and a part of this one here.
    for line in sections.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b".SH ") {
            Some(heading) => page.extend([b".SS ", heading].concat()),
            None => page.extend(line),
        }
    }
    Ok(())
}

/// The names of all flags of `serve`.
fn settings(program: &Command) -> Vec<String> {
    let serve = program.find_subcommand("serve").into_iter();
    let flags = serve.flat_map(Command::get_arguments).map(|arg| arg.get_id().to_string());
    flags.filter(|id| id != "help").collect()
}

/// What the help says below the options: examples and exit codes, line by line as they are written.
fn remarks(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_long_help().or(command.get_after_help()) {
        roff.control("SH", ["REMARKS"]);
        roff.control("nf", []);
        for line in text.to_string().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}
