//! Errors of settings and of the command line. Each is one line: the setting, what is wrong with it, and what to do.

use std::error::Error as _;
use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A setting that can't be used. Its text is one line and names the setting, where it was set, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    pub(super) fn new(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { place: flat(&place.to_string()), problem: flat(&problem.to_string()) }
    }
}

/// Turns an error of clap into one line. It is not for help and version texts: those have `use_stderr() == false` and
/// are printed as they are.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    match explain(error) {
        (Some(flag), problem) => flat(&format!("{flag}: {problem}")),
        (None, problem) => flat(&problem),
    }
}

/// Explains an error of clap: the flag, if it is about a flag's value, and the problem with its remedy.
pub(super) fn explain(error: &clap::Error) -> (Option<String>, String) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    };
    let instead = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(format!("did you mean {name:?}?")),
        // clap puts the most likely name last.
        Some(ContextValue::Strings(names)) if !names.is_empty() => {
            let names: Vec<_> = names.iter().rev().take(2).map(|name| format!("{name:?}")).collect();
            Some(format!("did you mean {}?", names.join(" or ")))
        }
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg);
    // An argument that is no flag is not named, because the problem says what it is about.
    let flag = argument.as_deref().filter(|name| name.starts_with('-')).map(|name| bare(name).to_owned());
    let value = text(ContextKind::InvalidValue).unwrap_or_default();

    match error.kind() {
        ErrorKind::ValueValidation => {
            let problem = error.source().map(ToString::to_string);
            (flag, problem.unwrap_or_else(|| format!("{value:?} is not allowed; see --help")))
        }
        ErrorKind::InvalidValue => {
            let remedy = match (text(ContextKind::ValidValue), instead(ContextKind::SuggestedValue)) {
                (_, Some(instead)) => instead,
                (Some(values), None) => format!("write one of {values}"),
                (None, None) => format!("write {}", argument.unwrap_or_default()),
            };
            let problem =
                if value.is_empty() { "a value is missing".to_owned() } else { format!("{value:?} is not known") };
            (flag, format!("{problem}; {remedy}"))
        }
        ErrorKind::UnknownArgument => {
            // Only the first word: the rest may be a secret, such as the text of a key in place of its file.
            let name = argument.as_deref().and_then(|name| name.split_whitespace().next()).unwrap_or_default();
            let what = if name.starts_with('-') { "unknown flag" } else { "unexpected argument" };
            let instead = instead(ContextKind::SuggestedArg).unwrap_or_else(|| "see --help".to_owned());
            (None, format!("{what} {name:?}; {instead}"))
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let instead = instead(ContextKind::SuggestedSubcommand).unwrap_or_else(|| "see --help".to_owned());
            (None, format!("unknown command {name:?}; {instead}"))
        }
        ErrorKind::ArgumentConflict => {
            let name = argument.unwrap_or_default();
            match text(ContextKind::PriorArg) {
                Some(other) if other != name => {
                    (None, format!("give {} or {}, not both", with_article(&name), with_article(&other)))
                }
                _ => (None, first_paragraph(error)),
            }
        }
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(names)) if !names.is_empty() => {
                let are = if names.len() == 1 { "is" } else { "are" };
                (None, format!("{} {are} missing; see --help", names.join(" and ")))
            }
            _ => (None, first_paragraph(error)),
        },
        _ => (None, first_paragraph(error)),
    }
}

/// The flag without its value. clap names both, as in "--listen <ADDRESS>".
fn bare(argument: &str) -> &str {
    argument.split([' ', '=', '[']).next().unwrap_or(argument)
}

/// A flag as it is, and another argument as a noun: "--handle", "an ID".
fn with_article(argument: &str) -> String {
    if argument.starts_with('-') {
        return bare(argument).to_owned();
    }
    let name = argument.trim_end_matches('.').trim_matches(['<', '>', '[', ']']);
    let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// clap's own text without heading, usage and hints.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("{}; see --help", lines.join(" "))
}

/// Makes one line of a text, whatever a file name or a value brought in.
fn flat(text: &str) -> String {
    text.trim().replace(char::is_control, " ")
}

/// The known name that `name` most likely misspells.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let name = plain(name);
    // The prefix of variables does not count as similar.
    let significant = name.trim_start_matches("sessiond-").chars().count();
    known
        .map(|known| (distance(&name, &plain(&known)), known))
        .filter(|(distance, _)| *distance <= (significant / 3).max(1))
        .min()
        .map(|(_, known)| known)
}

/// The Levenshtein distance: how many characters must be inserted, removed or changed.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.chars().count()]
}
