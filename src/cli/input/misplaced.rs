//! Flags that stand before the command they belong to.

use std::ffi::OsString;

use clap::Command;

/// What to write instead, if the first argument is a flag that only commands have.
pub(crate) fn misplaced(mut program: Command, arguments: impl Iterator<Item = OsString>) -> Option<String> {
    program.build();
    let arguments: Vec<_> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (first, rest) = arguments.split_first()?;
    let flag = first.split('=').next().filter(|flag| flag.starts_with('-'))?;
    if has(&program, flag) {
        return None;
    }
    let owners: Vec<&Command> = program.get_subcommands().filter(|command| offers(command, flag)).collect();
    let (&owner, others) = owners.split_first()?;

    // The command that the flag belongs to comes after the flag or its value.
    let meant = rest.iter().position(|word| program.find_subcommand(word).is_some());
    if let Some(at) = meant {
        let mut command = &program;
        let mut path = String::new();
        for word in &rest[at..] {
            let Some(next) = command.find_subcommand(word) else { break };
            command = next;
            path = format!("{path} {}", command.get_name());
        }
        return offers(command, flag)
            .then(|| format!("write {flag} after the command: {}{path} {flag} \u{2026}", program.get_name()));
    }
    let name = if others.is_empty() || owner.get_name() == "serve" { owner.get_name() } else { "COMMAND" };
    Some(format!("{flag} is a flag of a command: write {} {name} {flag} \u{2026}", program.get_name()))
}

/// Whether the command or one below it has the flag.
fn offers(command: &Command, flag: &str) -> bool {
    has(command, flag) || command.get_subcommands().any(|command| offers(command, flag))
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| flag.strip_prefix('-') == Some(short.to_string().as_str())),
    })
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn advice(arguments: &str) -> Option<String> {
        let flag = |name: &'static str| Arg::new(name).long(name);
        let command =
            |name: &'static str, flags: &[&'static str]| Command::new(name).args(flags.iter().copied().map(flag));
        let program = Command::new("sessiond").subcommands([
            command("serve", &["listen"]),
            command("config", &["listen", "toml"]),
            command("list", &["addr"]).arg(flag("namespace").short('n')),
            Command::new("csrf").subcommand(command("issue", &["addr"])),
        ]);
        misplaced(program, arguments.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_flag_is_shown_its_place() {
        for (arguments, expected) in [
            ("--listen x", "--listen is a flag of a command: write sessiond serve --listen \u{2026}"),
            ("--toml", "--toml is a flag of a command: write sessiond config --toml \u{2026}"),
            ("--addr=x", "--addr is a flag of a command: write sessiond COMMAND --addr \u{2026}"),
            ("--addr x list", "write --addr after the command: sessiond list --addr \u{2026}"),
            ("-n shop list", "write -n after the command: sessiond list -n \u{2026}"),
            ("--addr=x csrf issue id", "write --addr after the command: sessiond csrf issue --addr \u{2026}"),
        ] {
            assert_eq!(advice(arguments).as_deref(), Some(expected), "{arguments}");
        }
    }

    #[test]
    fn other_mistakes_are_none_of_this() {
        for arguments in ["--lisen x", "list --listen x", "--listen x list", "--help", ""] {
            assert_eq!(advice(arguments), None, "{arguments}");
        }
    }
}
