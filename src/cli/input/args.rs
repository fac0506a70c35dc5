//! Arguments that several commands share. The comments are also the help texts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sessiond::encryption::KeyRing;
use sessiond_client::json::timestamp_from_text;
use sessiond_client::proto::{SessionChange, Timeouts, Value};
use sessiond_client::{Address, Client, ClientBuilder, Error, SettingsError, Timestamp, Tls};

use super::assignment::{Assignment, Label};
use super::secret::SecretArg;
use crate::cli::output::failure::Failure;
use sessiond::printable::printable;

/// Stands below the examples of the commands that look for one session.
macro_rules! exit_codes {
    () => {
        "\n\nExit codes: 0 success, 1 error, 2 wrong usage (found here or by the server), 3 no such session or attribute."
    };
}
pub(crate) use exit_codes;

/// A length of time such as `30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text);
    let length = length.map_err(|_| "write a number and its unit, such as 500ms, 30s, 5m or 2h".to_owned())?;
    if length.subsec_nanos() % 1_000_000 == 0 { Ok(length) } else { Err("write whole milliseconds".to_owned()) }
}

pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|length| if length.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(length) })
}

fn time(text: &str) -> Result<Timestamp, String> {
    timestamp_from_text(text).ok_or_else(|| {
        format!(
            "{text:?} is not a time with its zone; write for example 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00"
        )
    })
}

/// The ID of the session that a command is about.
#[derive(Debug, Args)]
pub(crate) struct SessionArg {
    /// The session's ID; "-" reads it from standard input, which keeps it out of the process list
    id: SecretArg,
}

impl SessionArg {
    /// The ID itself. For `-`, it is one line of standard input.
    pub(crate) fn reveal(self) -> Result<String, Failure> {
        self.id.reveal()
    }
}

/// How a command prints its result.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Print JSON in one line, for scripts
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// How to speak TLS to addresses with `https://`.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Server",
        help = "With https://: the CA that signed the server's certificate, a PEM file [env: SESSIOND_CA_FILE]"
    )]
    ca_file: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Server",
        help = "With https://: this client's certificate, a PEM file [env: SESSIOND_CERTIFICATE_FILE]"
    )]
    certificate_file: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Server",
        help = "With https://: the certificate's key, a PEM file [env: SESSIOND_KEY_FILE]"
    )]
    key_file: Option<PathBuf>,

    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Server",
        help = "With https://: the name that the server's certificate must have [env: SESSIOND_SERVER_NAME]"
    )]
    server_name: Option<String>,
}

impl TlsArgs {
    /// What was given; the client looks at the environment itself.
    pub(crate) fn tls(&self) -> Tls {
        let Self { ca_file, certificate_file, key_file, server_name } = self;
        let mut tls = Tls::new();
        if let Some(file) = ca_file {
            tls = tls.ca_file(file);
        }
        if let Some(file) = certificate_file {
            tls = tls.certificate_file(file);
        }
        if let Some(file) = key_file {
            tls = tls.key_file(file);
        }
        if let Some(name) = server_name {
            tls = tls.server_name(name);
        }
        tls
    }
}

/// By which token the server knows the caller. There is no flag for the token itself, which would stand in the list of
/// processes.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Server",
        help = "The file with the token of this caller in its first line [env: SESSIOND_TOKEN_FILE, or SESSIOND_TOKEN for \
                the token itself]"
    )]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Sets what was given; the client looks at the environment itself.
    pub(crate) fn apply(&self, client: ClientBuilder) -> ClientBuilder {
        match &self.token_file {
            Some(file) => client.token_file(file),
            None => client,
        }
    }
}

/// The keys of encrypted data.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The file of the keys with which the data is encrypted, as the server's setting of that name
    #[arg(long, value_name = "FILE", env = "SESSIOND_ENCRYPTION_KEYS")]
    encryption_keys: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys, if a file was named.
    pub(crate) fn load(&self) -> Result<Option<KeyRing>, Failure> {
        let file =
            self.encryption_keys.as_deref().filter(|file| !file.as_os_str().is_empty() && *file != Path::new("none"));
        let keys = file.map(KeyRing::load).transpose();
        keys.map_err(|error| Failure::usage(format!("--encryption-keys: {error}")))
    }
}

/// Which server to call, and how.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where the server listens: HOST:PORT, https://HOST:PORT or unix:PATH; several of one store are separated by commas
    #[arg(long, value_name = "ADDRESS", env = "SESSIOND_ADDR", hide_env_values = true,
          default_value = sessiond_client::DEFAULT_ADDRESS, help_heading = "Server")]
    addr: Address,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    token: TokenArgs,

    /// How long a call may take
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, default_value = "5s",
          help_heading = "Server")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    output: OutputArgs,
}

impl ServerArgs {
    pub(crate) fn json(&self) -> bool {
        self.output.json
    }

    /// Each address of the list.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.addr.to_string().split(',').map(|address| address.trim().to_owned()).collect()
    }

    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        self.client_in("")
    }

    fn client_in(&self, namespace: &str) -> Result<Client, SettingsError> {
        self.client_builder().namespace(namespace).connect_lazy()
    }

    /// A client builder with these arguments, for clients that need more.
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        let client = Client::builder().address(self.addr.to_string()).tls(self.tls.tls()).deadline(self.timeout);
        self.token.apply(client)
    }
}

/// Which server to call, and the namespace to work in.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    #[command(flatten)]
    server: ServerArgs,

    /// The namespace to work in
    #[arg(
        short,
        long,
        env = "SESSIOND_NAMESPACE",
        hide_env_values = true,
        default_value = "default",
        help_heading = "Server"
    )]
    namespace: String,
}

impl ClientArgs {
    pub(crate) fn json(&self) -> bool {
        self.server.json()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        self.server.client_in(&self.namespace)
    }

    /// Why a call about the session of an ID failed.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        self.missing(error, "its ID is unknown or was rotated away")
    }

    /// Why a call about the session of a handle failed.
    pub(crate) fn failure_of_handle(&self, error: Error) -> Failure {
        self.missing(error, "its handle is unknown")
    }

    fn missing(&self, error: Error, unknown: &str) -> Failure {
        match error {
            Error::SessionNotFound => Failure::not_found(format!(
                "no such session in namespace {}: {unknown}, or the session has expired or was ended",
                printable(&self.namespace)
            )),
            error => error.into(),
        }
    }
}

/// How long the session lives.
#[derive(Debug, Args)]
pub(crate) struct TimeoutArgs {
    /// End the session this long after its last access, such as 30m
    ///
    /// If you set one timeout, the other one is replaced too: it gets the default of the namespace.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// End the session this long after its creation, such as 12h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    absolute_timeout: Option<Duration>,

    /// End the session at this moment, such as 2026-01-31T12:00:00Z
    ///
    /// Write the zone as well: Z for UTC, or an offset such as +01:00.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "absolute_timeout")]
    expire_at: Option<Timestamp>,
}

impl TimeoutArgs {
    /// `None` if no timeout is given.
    pub(crate) fn timeouts(&self) -> Option<Timeouts> {
        let timeouts = Timeouts::new();
        let timeouts = match self.idle_timeout {
            Some(timeout) => timeouts.idle(timeout),
            None => timeouts,
        };
        let timeouts = match (self.absolute_timeout, self.expire_at) {
            (Some(timeout), _) => timeouts.absolute(timeout),
            (None, Some(time)) => timeouts.expire_at(time),
            (None, None) => timeouts,
        };
        Some(timeouts).filter(|timeouts| *timeouts != Timeouts::default())
    }
}

/// Attributes and labels to set.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// Attributes to set: NAME=VALUE or a JSON object such as '{"a":1}'
    ///
    /// VALUE is read as JSON, or as text if it is not JSON. A whole number becomes an int64, a number with a fraction or
    /// an exponent the nearest double. JSON that no value can hold exactly is refused. Write bytes as
    /// {"$bytes":"<base64>"} and times as {"$timestamp":"2026-01-31T12:00:00Z"}.
    #[arg(value_name = "NAME=VALUE")]
    attributes: Vec<Assignment>,

    /// Set a label; can be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<Label>,
}

impl DataArgs {
    /// The attributes, and the labels.
    pub(crate) fn into_parts(self) -> (BTreeMap<String, Value>, BTreeMap<String, String>) {
        let labels = self.label.into_iter().map(|Label(name, value)| (name, value));
        (Assignment::merge(self.attributes), labels.collect())
    }
}

/// A change of the session's data.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    set: DataArgs,

    /// Remove an attribute; can be repeated
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,

    /// Remove every attribute that is not set here
    #[arg(long)]
    clear: bool,

    /// Set the user that the session belongs to; an empty string removes the user
    #[arg(long)]
    principal: Option<String>,

    /// Remove a label; can be repeated
    #[arg(long, value_name = "NAME")]
    remove_label: Vec<String>,

    #[command(flatten)]
    timeouts: TimeoutArgs,
}

impl ChangeArgs {
    pub(crate) fn change(self) -> SessionChange {
        let (set_attributes, set_labels) = self.set.into_parts();
        SessionChange {
            timeouts: self.timeouts.timeouts(),
            set_attributes,
            remove_attributes: self.remove,
            clear_attributes: self.clear,
            principal: self.principal,
            set_labels,
            remove_labels: self.remove_label,
        }
    }
}
