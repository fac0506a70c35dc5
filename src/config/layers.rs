//! Lays flags over environment over file over defaults, and remembers which one each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::FromArgMatches;

use super::args::{ServeArgs, Settings};
use super::environment::{self, environment_name};
use super::error::{self, ConfigError};
use super::file;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its dashes.
    Flag(String),
    /// This environment variable.
    Environment(String),
    /// This file, as it was named.
    File(PathBuf),
    /// Nobody gave one.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
            Self::Environment(variable) => write!(formatter, "environment {variable}"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

impl Origin {
    /// How an error about this setting begins, so that it names both the setting and the place to correct.
    fn place(&self, name: &str) -> String {
        match self {
            Self::Flag(name) | Self::Environment(name) => name.clone(),
            Self::File(_) | Self::Default => format!("{name} ({self})"),
        }
    }
}

/// The settings in force, and where each came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What the server runs with.
    pub settings: Settings,
    /// One for each setting, in the order of the help.
    pub(super) entries: Vec<Entry>,
}

/// One setting in its written form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as in the flag and the file.
    pub name: String,
    /// Its values as they were written; more than one only in a list.
    pub values: Vec<String>,
    /// Where they came from.
    pub origin: Origin,
}

/// What one layer says about a setting.
struct Given {
    origin: Origin,
    values: Vec<String>,
}

impl ServeArgs {
    /// Reads the environment and the file, and judges every setting.
    pub fn load(&self) -> Result<Effective, ConfigError> {
        self.load_with(std::env::vars_os())
    }

    /// [`load`](Self::load) with an environment of the caller's choice instead of the process's own.
    pub fn load_with(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Effective, ConfigError> {
        let mut variables = environment::variables(environment)?;
        let config_variable = environment_name("config");
        let config = match (&self.config, variables.remove(&config_variable)) {
            (Some(path), _) => Some(("--config".to_owned(), path.clone())),
            (None, Some(path)) => Some((config_variable, PathBuf::from(path))),
            (None, None) => None,
        };

        // Each layer replaces what the one below said about the same setting.
        let mut given = BTreeMap::new();
        let mut lay = |name, origin, values| given.insert(name, Given { origin, values });
        if let Some((place, path)) = config {
            for (name, values) in file::read(&place, &path)? {
                lay(name, Origin::File(path.clone()), values);
            }
        }
        for (name, value, variable) in environment::settings(variables)? {
            lay(name, Origin::Environment(variable), vec![value]);
        }
        for (name, values) in &self.flags {
            lay(name.clone(), Origin::Flag(format!("--{name}")), values.clone());
        }
        judge(&given)
    }
}

/// Parses all that was given as if it were flags.
fn judge(given: &BTreeMap<String, Given>) -> Result<Effective, ConfigError> {
    let origin = |name: &str| given.get(name).map_or(Origin::Default, |given| given.origin.clone());
    let arguments = given
        .iter()
        .flat_map(|(name, given)| given.values.iter().map(move |value| format!("--{name}={value}")));
    let refuse = |error: clap::Error| {
        let (flag, problem) = error::explain(&error);
        let place = match flag.as_deref().map(|flag| flag.trim_start_matches('-')) {
            Some(name) => origin(name).place(name),
            None => "settings".to_owned(),
        };
        ConfigError::new(place, problem)
    };

    let mut command = Settings::command();
    let matches = command.try_get_matches_from_mut(arguments).map_err(refuse)?;
    let settings = Settings::from_arg_matches(&matches).map_err(refuse)?;
    let entries = command.get_arguments().filter_map(|arg| {
        let name = arg.get_long()?.to_owned();
        let values = matches.get_raw(arg.get_id().as_str())?;
        let values = values.map(|value| value.to_string_lossy().into_owned()).collect();
        Some(Entry {
            origin: origin(&name),
            name,
            values,
        })
    });
    let effective = Effective {
        settings,
        entries: entries.collect(),
    };
    effective.check()?;
    Ok(effective)
}

impl Effective {
    /// Every setting in its written form, in the order of the help.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An error about one setting, for what only shows when it is used: a log filter that does not parse, an address
    /// that is taken. `problem` says what is wrong and what to do.
    #[must_use]
    pub fn refuse(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        let origin = self
            .entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.origin);
        ConfigError::new(origin.unwrap_or(&Origin::Default).place(name), problem)
    }

    /// The rules that hold between settings.
    fn check(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        if !settings.allow_plaintext
            && let Some(open) = settings.listen.iter().find(|listen| !listen.is_local())
        {
            let problem = format!(
                "{open} is not a loopback address and there is no TLS; listen on 127.0.0.1 or on unix:PATH, or set \
                 --allow-plaintext if every host of the network is trusted"
            );
            return Err(self.refuse("listen", problem));
        }
        if settings.max_session_size >= settings.max_message_size {
            let [session, message] = ["max-session-size", "max-message-size"].map(|name| self.written(name));
            // Name the one that somebody set; if both, the session's.
            let (name, problem) = if self.is_default("max-session-size") {
                (
                    "max-message-size",
                    format!("{message} is not above the max-session-size of {session}"),
                )
            } else {
                (
                    "max-session-size",
                    format!("{session} is not below the max-message-size of {message}"),
                )
            };
            let remedy = "lower max-session-size or raise max-message-size";
            return Err(self.refuse(name, format!("{problem}; {remedy}")));
        }
        Ok(())
    }

    fn is_default(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.name == name && entry.origin == Origin::Default)
    }

    fn written(&self, name: &str) -> String {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.map(|entry| entry.values.join(",")).unwrap_or_default()
    }
}
