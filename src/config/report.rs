//! Shows the settings in force as a table, or as a TOML file that can be used again.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use toml::Value;

use super::args::{BOOL, COUNT, SIZE, Settings, command_of};
use super::environment::environment_name;
use super::file::namespace_table;
use super::layers::{Effective, Entry, Origin};
use super::policy::PolicySettings;

/// The width of the comments in the TOML file, in columns.
const COMMENT_WIDTH: usize = 100;

impl Effective {
    /// A table of name, value and origin, in the groups of the help. The settings that each namespace has of its own
    /// follow. It ends with a line break.
    #[must_use]
    pub fn table(&self) -> String {
        let entries = || self.entries.iter().chain(self.namespaces.values().flatten());
        let names = entries().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
        let values = entries().map(|entry| shown(entry).chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        let row = |table: &mut String, entry: &Entry| {
            let (value, origin) = (shown(entry), printable(&entry.origin.to_string()));
            let _ = writeln!(table, "  {:names$}  {value:values$}  {origin}", entry.name);
        };

        self.by_group(|heading, entry, _| {
            if let Some(heading) = heading {
                let gap = if table.is_empty() { "" } else { "\n" };
                let _ = writeln!(table, "{gap}{heading}:");
            }
            row(&mut table, entry);
        });
        for (namespace, entries) in &self.namespaces {
            let _ = writeln!(table, "\nNamespace {namespace}, otherwise as above:");
            for entry in entries {
                row(&mut table, entry);
            }
        }
        table
    }

    /// A TOML file that sets every setting to its present value, with its description as a comment, and the policies of
    /// the namespaces. Loading it without flags and environment gives the same settings.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.file(|_| true)
    }

    /// A TOML file that explains every setting. It sets those that are given; the lines of all others are comments, so
    /// that they keep their defaults, also where those change with a later version.
    #[must_use]
    pub fn example(&self) -> String {
        self.file(|entry| entry.origin != Origin::Default)
    }

    /// A TOML file with these settings in force, and the others as comments.
    fn file(&self, is_in_force: impl Fn(&Entry) -> bool) -> String {
        let mut file = String::from(
            "# Settings of sessiond serve. A flag wins over the environment, the environment over this file.\n",
        );
        self.by_group(|heading, entry, arg| {
            if let Some(heading) = heading {
                let _ = writeln!(file, "\n# ---- {heading} ----");
            }
            file.push('\n');
            comment(&mut file, arg);
            if !is_in_force(entry) {
                file.push('#');
            }
            assign(&mut file, entry, arg);
        });

        let policy = command_of::<PolicySettings>();
        let keys: Vec<_> = policy.get_arguments().filter_map(Arg::get_long).collect();
        file.push_str("\n# ---- Namespaces ----\n\n");
        wrap(
            &mut file,
            &format!(
                "A namespace can have a policy of its own: a table [namespaces.NAME] below all settings, with any of \
                 the keys {}. In that namespace they win over the same settings above, over flags and over the \
                 environment. Quote a name with a dot: [namespaces.\"eu.shop\"].",
                keys.join(", ")
            ),
        );
        for (namespace, entries) in &self.namespaces {
            let _ = writeln!(file, "\n[{}]", namespace_table(namespace));
            for entry in entries {
                if let Some(arg) = arg_of(&policy, entry) {
                    assign(&mut file, entry, arg);
                }
            }
        }
        file
    }

    /// Calls `show` for each setting in the order of the help. The first setting of a group comes with the group's
    /// heading.
    fn by_group(&self, mut show: impl FnMut(Option<&str>, &Entry, &Arg)) {
        let command = Settings::command();
        let mut group = None;
        for entry in &self.entries {
            let Some(arg) = arg_of(&command, entry) else {
                continue;
            };
            let heading = arg.get_help_heading();
            show(if heading == group { None } else { heading }, entry, arg);
            group = heading;
        }
    }
}

/// The declaration of the setting.
fn arg_of<'a>(command: &'a Command, entry: &Entry) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(&entry.name))
}

/// Writes a setting as a line of the TOML file.
fn assign(file: &mut String, entry: &Entry, arg: &Arg) {
    let values: Vec<_> = entry.values.iter().map(|value| toml_value(arg, value)).collect();
    let value = match arg.get_action() {
        ArgAction::Append => format!("[{}]", values.join(", ")),
        _ => values.join(""),
    };
    let _ = writeln!(file, "{} = {value}", entry.name);
}

/// The values as the table shows them.
fn shown(entry: &Entry) -> String {
    printable(&entry.values.join(","))
}

/// One value as the TOML file has it.
pub(super) fn toml_value(arg: &Arg, value: &str) -> String {
    let kind = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let value = match (kind, value.parse::<bool>(), value.trim().parse::<i64>()) {
        (BOOL, Ok(value), _) => Value::Boolean(value),
        (COUNT | SIZE, _, Ok(value)) => Value::Integer(value),
        _ => Value::String(value.to_owned()),
    };
    value.to_string()
}

/// Writes the description of a setting as comment lines.
fn comment(file: &mut String, arg: &Arg) {
    let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    for paragraph in text.split("\n\n") {
        let end = if paragraph.ends_with('.') { "" } else { "." };
        wrap(file, &format!("{paragraph}{end}"));
    }
    let choices = arg.get_possible_values();
    for choice in choices.iter().filter(|choice| choice.get_help().is_some()) {
        let help = choice.get_help().map(ToString::to_string).unwrap_or_default();
        wrap(file, &format!("- {}: {help}.", choice.get_name()));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let variable = environment_name(arg.get_long().unwrap_or_default());
    wrap(file, &format!("Default: {}. Environment: {variable}.", defaults.join(",")));
}

fn wrap(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COMMENT_WIDTH {
            let _ = writeln!(file, "{line}");
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(file, "{line}");
}

/// Escapes control characters, which would break the table or the terminal.
fn printable(text: &str) -> String {
    if text.contains(char::is_control) { text.escape_debug().to_string() } else { text.to_owned() }
}
