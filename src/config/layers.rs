//! Lays flags over environment over file over defaults, and remembers which one each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, Args};

use super::args::{ServeArgs, Settings, command_of};
use super::environment::{self, environment_name};
use super::error::{self, ConfigError};
use super::file::{self, Written, namespace_table};
use super::policy::PolicySettings;

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
    /// What each namespace says for itself, in the order of the help.
    pub(super) namespaces: BTreeMap<String, Vec<Entry>>,
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

/// Settings by name; the absent ones have their default.
type Layer = BTreeMap<String, Given>;

/// What one layer says about a setting.
#[derive(Clone)]
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
        let mut given = Layer::new();
        let mut namespaces = BTreeMap::new();
        if let Some((place, path)) = config {
            let contents = file::read(&place, &path)?;
            let from_file = |written| layer(&Origin::File(path.clone()), written);
            given = from_file(contents.settings);
            let policies = contents.namespaces.into_iter();
            namespaces = policies.map(|(name, policy)| (name, from_file(policy))).collect();
        }
        let mut lay = |name, origin, values| given.insert(name, Given { origin, values });
        for (name, value, variable) in environment::settings(variables)? {
            lay(name, Origin::Environment(variable), vec![value]);
        }
        for (name, values) in &self.flags {
            lay(name.clone(), Origin::Flag(format!("--{name}")), values.clone());
        }
        judge(&given, namespaces)
    }
}

/// What one origin says, by name.
fn layer(origin: &Origin, written: Written) -> Layer {
    let given = |values| Given { origin: origin.clone(), values };
    written.into_iter().map(|(name, values)| (name, given(values))).collect()
}

/// Judges all that was given, at the top level and in the namespaces.
fn judge(given: &Layer, namespaces: BTreeMap<String, Layer>) -> Result<Effective, ConfigError> {
    let (mut settings, entries) = parse::<Settings>(given, "")?;
    let mut own_entries = BTreeMap::new();
    for (namespace, own) in namespaces {
        let command = command_of::<PolicySettings>();
        let layered = command.get_arguments().filter_map(Arg::get_long).filter_map(|name| {
            let given = own.get(name).or_else(|| given.get(name))?;
            Some((name.to_owned(), given.clone()))
        });
        let prefix = format!("{}.", namespace_table(&namespace));
        let (policy, mut entries) = parse(&layered.collect(), &prefix)?;
        entries.retain(|entry| own.contains_key(&entry.name));
        settings.namespaces.insert(namespace.clone(), policy);
        own_entries.insert(namespace, entries);
    }
    let effective = Effective { settings, entries, namespaces: own_entries };
    effective.check()?;
    Ok(effective)
}

/// Parses what was given as if it were flags. `prefix` is what stands before a setting's name in an error.
fn parse<A: Args>(given: &Layer, prefix: &str) -> Result<(A, Vec<Entry>), ConfigError> {
    let origin = |name: &str| given.get(name).map_or(Origin::Default, |given| given.origin.clone());
    let arguments =
        given.iter().flat_map(|(name, given)| given.values.iter().map(move |value| format!("--{name}={value}")));
    let refuse = |error: clap::Error| {
        let (flag, problem) = error::explain(&error);
        let place = match flag.as_deref().map(|flag| flag.trim_start_matches('-')) {
            Some(name) => origin(name).place(&format!("{prefix}{name}")),
            None => "settings".to_owned(),
        };
        ConfigError::new(place, problem)
    };

    let mut command = command_of::<A>();
    let matches = command.try_get_matches_from_mut(arguments).map_err(refuse)?;
    let parsed = A::from_arg_matches(&matches).map_err(refuse)?;
    let entries = command.get_arguments().filter_map(|arg| {
        let name = arg.get_long()?.to_owned();
        let values = matches.get_raw(arg.get_id().as_str())?;
        let values = values.map(|value| value.to_string_lossy().into_owned()).collect();
        Some(Entry { origin: origin(&name), name, values })
    });
    Ok((parsed, entries.collect()))
}

impl Effective {
    /// Every setting in its written form, in the order of the help; not those of the namespaces.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An error about one setting, for what only shows when it is used: a log filter that does not parse, an address
    /// that is taken. `problem` says what is wrong and what to do.
    #[must_use]
    pub fn refuse(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        Scope::top(self).refuse(name, problem)
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
        Scope::top(self).check(&settings.policy)?;
        for (namespace, policy) in &settings.namespaces {
            Scope::of(self, namespace).check(policy)?;
        }
        Ok(())
    }
}

/// The settings as they hold in one place: a namespace, or everywhere else.
struct Scope<'a> {
    /// What is said there.
    own: &'a [Entry],
    /// What holds where nothing is.
    inherited: &'a [Entry],
    /// What stands before a setting's name in an error.
    prefix: String,
    settings: &'a Settings,
}

impl<'a> Scope<'a> {
    fn top(effective: &'a Effective) -> Self {
        Self { own: &effective.entries, inherited: &[], prefix: String::new(), settings: &effective.settings }
    }

    fn of(effective: &'a Effective, namespace: &str) -> Self {
        Self {
            own: effective.namespaces.get(namespace).map_or(&[], Vec::as_slice),
            inherited: &effective.entries,
            prefix: format!("{}.", namespace_table(namespace)),
            settings: &effective.settings,
        }
    }

    /// The rules that hold between the settings of a policy.
    fn check(&self, policy: &PolicySettings) -> Result<(), ConfigError> {
        self.check_size(policy)?;
        if policy.idle_timeout > policy.max_idle_timeout {
            return Err(self.contradiction("idle-timeout", "is above", "max-idle-timeout", "is below"));
        }
        let bound = policy.max_absolute_timeout;
        if bound.is_some_and(|bound| policy.absolute_timeout.is_some_and(|timeout| timeout > bound)) {
            return Err(self.contradiction("absolute-timeout", "is above", "max-absolute-timeout", "is below"));
        }
        Ok(())
    }

    /// What can be stored must fit into a message, or it could never be read.
    fn check_size(&self, policy: &PolicySettings) -> Result<(), ConfigError> {
        let needed = policy.session_message_size();
        if needed <= self.settings.max_message_size {
            return Ok(());
        }
        let (size, attributes) = (self.written("max-session-size"), self.written("max-attributes"));
        let message = self.written("max-message-size");
        let problem = format!(
            "a session of {size} with {attributes} attributes takes up to {needed} bytes of a message, and \
             max-message-size is {message}; lower max-session-size or max-attributes, or raise max-message-size"
        );
        // Name what somebody set here.
        let names = ["max-session-size", "max-attributes"];
        Err(self.refuse(names.into_iter().find(|name| self.is_given(name)).unwrap_or("max-message-size"), problem))
    }

    /// The error about two settings that don't go together: `low` `is_above` `high`, and so `high` `is_below` `low`.
    fn contradiction(&self, low: &str, is_above: &str, high: &str, is_below: &str) -> ConfigError {
        let [low_value, high_value] = [low, high].map(|name| self.written(name));
        // Name the one that somebody set here; if both, the lower.
        let (name, problem) = if self.is_given(low) {
            (low, format!("{low_value} {is_above} the {high} of {high_value}"))
        } else {
            (high, format!("{high_value} {is_below} the {low} of {low_value}"))
        };
        self.refuse(name, format!("{problem}; lower {low} or raise {high}"))
    }

    fn refuse(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        let origin = self.entry(name).map_or(&Origin::Default, |entry| &entry.origin);
        ConfigError::new(origin.place(&format!("{}{name}", self.prefix)), problem)
    }

    fn is_given(&self, name: &str) -> bool {
        self.own.iter().any(|entry| entry.name == name && entry.origin != Origin::Default)
    }

    fn written(&self, name: &str) -> String {
        self.entry(name).map(|entry| entry.values.join(",")).unwrap_or_default()
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.own.iter().chain(self.inherited).find(|entry| entry.name == name)
    }
}
