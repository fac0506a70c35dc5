//! Lays flags over the environment, the environment over the file, and the file over defaults. It remembers where each
//! value came from.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, Args};

use super::args::{ServeArgs, Settings, command_of};
use super::environment::{self, environment_name};
use super::error::{self, ConfigError};
use super::file::{self, Written, namespace_table};
use super::policy::PolicySettings;
use super::values::{ALL_NAMES, EngineKind, Listen, NO_HOSTS};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its dashes.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A file, by the name that the user gave.
    File(PathBuf),
    /// No one gave a value.
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
    /// The start of an error about a setting. It names the setting and the place to correct.
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
    /// The settings that the server runs with.
    pub settings: Settings,
    /// One entry for each setting, in the order of the help.
    pub(super) entries: Vec<Entry>,
    /// The settings of each namespace that has its own, in the order of the help.
    pub(super) namespaces: BTreeMap<String, Vec<Entry>>,
}

/// One setting in its written form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, as in the flag and the file.
    pub name: String,
    /// The values as they were written. Only a list has more than one.
    pub values: Vec<String>,
    /// Where the values came from.
    pub origin: Origin,
}

/// Settings by name. An absent one has its default.
type Layer = BTreeMap<String, Given>;

/// What a layer says about one setting.
#[derive(Clone)]
struct Given {
    origin: Origin,
    values: Vec<String>,
}

impl ServeArgs {
    /// Reads the environment and the file, and checks every setting.
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

        // Each layer replaces the same settings of the layers below.
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

/// Makes the layer of one origin.
fn layer(origin: &Origin, written: Written) -> Layer {
    let given = |values| Given { origin: origin.clone(), values };
    written.into_iter().map(|(name, values)| (name, given(values))).collect()
}

/// Checks all given settings, at the top level and in the namespaces.
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

/// Parses given settings as if they were flags. `prefix` comes before a setting's name in an error.
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
    /// Every setting in its written form, in the order of the help, without those of the namespaces.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An error about one setting, for a problem that only its use shows: a log filter that does not parse, or an
    /// address that is taken. `problem` says what is wrong and what to do.
    #[must_use]
    pub fn refuse(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        Scope::top(self).refuse(name, problem)
    }

    /// Checks the rules between settings.
    fn check(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        self.check_listen()?;
        if settings.engine == EngineKind::Memory && settings.encryption_keys.is_some() {
            let problem = "the engine memory stores nothing to encrypt; leave it out, or use the engine sled";
            return Err(self.refuse("encryption-keys", problem));
        }
        if settings.otlp_headers.is_some() && settings.otlp_endpoint.is_none() {
            let problem = "there is no collector that gets headers; name one with otlp-endpoint, or leave this out";
            return Err(self.refuse("otlp-headers", problem));
        }
        let top = Scope::top(self);
        if settings.max_message_size > settings.message_memory_per_connection {
            return Err(top.contradiction("max-message-size", "is above", "message-memory-per-connection", "is below"));
        }
        if settings.message_memory_per_connection > settings.message_memory {
            return Err(top.contradiction("message-memory-per-connection", "is above", "message-memory", "is below"));
        }
        top.check(&settings.policy)?;
        for (namespace, policy) in &settings.namespaces {
            Scope::of(self, namespace).check(policy)?;
        }
        Ok(())
    }
}

impl Effective {
    /// Checks that the addresses have what they need: TLS or a permission where other hosts can reach them, and certificates.
    pub fn check_listen(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        let scrapes = settings.metrics_listen.iter().map(|address| ("metrics-listen", address));
        let mut addresses = self.with_callers().chain(scrapes);
        if !settings.allow_plaintext
            && let Some((name, open)) = addresses.find(|(_, address)| address.is_exposed())
        {
            let tls = if name == "metrics-listen" { "" } else { ", on tls://HOST:PORT" };
            let problem = format!(
                "{open} is not a loopback address and there is no TLS; listen on 127.0.0.1{tls} or on unix:PATH, or set \
                 --allow-plaintext if every host of the network is trusted"
            );
            return Err(self.refuse(name, problem));
        }
        self.check_apart()?;
        self.check_console()?;
        self.check_tls()?;
        self.check_access()
    }

    /// The addresses at which callers are served, with the name of the setting of each.
    fn with_callers(&self) -> impl Iterator<Item = (&'static str, &Listen)> {
        let Settings { listen, console_listen, .. } = &self.settings;
        let calls = listen.iter().map(|address| ("listen", address));
        calls.chain(console_listen.iter().map(|address| ("console-listen", address)))
    }

    /// Checks that no address is named twice.
    fn check_apart(&self) -> Result<(), ConfigError> {
        let scrapes = self.settings.metrics_listen.iter().map(|address| ("metrics-listen", address));
        let mut seen = HashMap::new();
        for (name, address) in self.with_callers().chain(scrapes) {
            let place = match address {
                // The system chooses another port each time.
                Listen::Tcp(place) | Listen::Tls(place) if place.ends_with(":0") => continue,
                Listen::Tcp(place) | Listen::Tls(place) => place.clone(),
                Listen::Unix(path) => path.display().to_string(),
            };
            if let Some(other) = seen.insert(place, name) {
                let problem = format!("{address} is in {other} already; leave it out, or choose another address");
                return Err(self.refuse(name, problem));
            }
        }
        Ok(())
    }

    /// Checks that the settings of the console belong together.
    fn check_console(&self) -> Result<(), ConfigError> {
        let Settings { console_listen, console_hosts: hosts, .. } = &self.settings;
        if hosts.len() > 1 && hosts.iter().any(|host| host == NO_HOSTS) {
            let problem = "none stands for no other name; write it alone, or leave it out";
            return Err(self.refuse("console-hosts", problem));
        }
        if console_listen.is_none() && *hosts != [NO_HOSTS] {
            let problem = "there is no console without console-listen; set that too, or leave it out";
            return Err(self.refuse("console-hosts", problem));
        }
        Ok(())
    }

    /// Checks that whoever can reach the server is asked who he is, unless a setting says otherwise in so many words.
    fn check_access(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        if settings.access_file.is_some() {
            return Ok(());
        }
        if settings.access_tokens.is_some() {
            let problem =
                "tokens say who calls, and access-file what each caller may do; set that too, or leave it out";
            return Err(self.refuse("access-tokens", problem));
        }
        let asks = |address: &Listen| address.is_tls() && settings.tls_client_ca.is_some();
        let open = self.with_callers().find(|(_, address)| !address.is_local() && !asks(address));
        match open {
            Some((name, open)) if !settings.allow_anonymous => {
                let client_ca = if open.is_tls() { "tls-client-ca to the CA of the clients, or " } else { "" };
                let problem = format!(
                    "{open} would serve whoever reaches it; set {client_ca}access-file to say who may call, or set \
                     --allow-anonymous if only trusted hosts can reach it"
                );
                Err(self.refuse(name, problem))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the settings of TLS belong together.
    fn check_tls(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        let files = [
            ("tls-certificate", &settings.tls_certificate),
            ("tls-key", &settings.tls_key),
            ("tls-client-ca", &settings.tls_client_ca),
        ];
        let names = &settings.tls_client_names;
        if settings.tls_client_ca.is_none() && *names != [ALL_NAMES] {
            let problem = "clients show no certificate without tls-client-ca; set that too, or leave it out";
            return Err(self.refuse("tls-client-names", problem));
        }
        if names.len() > 1 && names.iter().any(|name| name == ALL_NAMES) {
            return Err(self.refuse("tls-client-names", "all stands for every name; write it alone, or leave it out"));
        }
        let Some((name, address)) = self.with_callers().find(|(_, address)| address.is_tls()) else {
            return match files.iter().find(|(_, file)| file.is_some()) {
                Some((name, _)) => Err(self.refuse(
                    name,
                    "it is of no use, since no address of listen or console-listen begins with tls://; listen on \
                     tls://HOST:PORT, or leave it out",
                )),
                None => Ok(()),
            };
        };
        if let Some((missing, _)) = files[..2].iter().find(|(_, file)| file.is_none()) {
            let problem = format!("{address} needs a certificate and its key; set {missing} to a PEM file");
            return Err(self.refuse(name, problem));
        }
        Ok(())
    }
}

/// The settings of one namespace, or of the top level.
struct Scope<'a> {
    /// The settings given there.
    own: &'a [Entry],
    /// The settings that hold where none is given there.
    inherited: &'a [Entry],
    /// What comes before a setting's name in an error.
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

    /// Checks the rules between the settings of a policy.
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

    /// Checks that the largest session fits into a message, or it could never be read.
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
        // The error names the setting that someone set here.
        let names = ["max-session-size", "max-attributes"];
        Err(self.refuse(names.into_iter().find(|name| self.is_given(name)).unwrap_or("max-message-size"), problem))
    }

    /// The error about two settings that contradict each other: `low` `is_above` `high`, so `high` `is_below` `low`.
    fn contradiction(&self, low: &str, is_above: &str, high: &str, is_below: &str) -> ConfigError {
        let [low_value, high_value] = [low, high].map(|name| self.written(name));
        // The error names the one that someone set here, or `low` if both are set.
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
