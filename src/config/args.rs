//! Every setting, declared once: name, type, default, bounds, help.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::engine::Durability;

use super::environment::environment_name;
use super::policy::PolicySettings;
use super::values::{
    EngineKind, Listen, LogFormat, OptionalCount, OptionalDuration, OptionalListen, OptionalPath, OptionalUrl,
    at_least, between, count, duration, host, none_or_address, none_or_any_address, none_or_between, none_or_collector,
    none_or_count, none_or_key_file, none_or_path, none_or_pem_file, path, size, socket_mode, text, workers,
};

// The name of a value in the help also says which TOML type the file must use for it; see file.rs.
pub(super) const BOOL: &str = "BOOL";
pub(super) const COUNT: &str = "N";
pub(super) const SIZE: &str = "SIZE";
pub(super) const DURATION: &str = "DURATION";

const NETWORK: &str = "Network";
const STORAGE: &str = "Storage";
pub(super) const SESSIONS: &str = "Sessions";
const LIMITS: &str = "Limits";
const PROCESS: &str = "Process";

/// The settings that a server runs with, judged and typed. The comments are also the help texts.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// Where to listen: HOST:PORT, tls://HOST:PORT or unix:PATH
    ///
    /// Can be repeated or separated by commas. Without tls:// an address that other hosts can reach is refused unless
    /// allow-plaintext is set. Port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "127.0.0.1:50051", help_heading = NETWORK)]
    pub listen: Vec<Listen>,

    /// Where to answer scrapes and probes over HTTP: HOST:PORT, unix:PATH or none
    ///
    /// `/metrics` has the metrics for Prometheus, `/livez` and `/readyz` are for probes, and gRPC's health answers too. There
    /// is no TLS and nobody is asked who he is, so an address that other hosts can reach is refused unless allow-plaintext is
    /// set. There are no session IDs and no data in it, but the names of namespaces.
    #[arg(long, value_name = "ADDRESS", value_parser = none_or_address, default_value = "none", help_heading = NETWORK)]
    pub metrics_listen: OptionalListen,

    /// Where to serve the web console: HOST:PORT, tls://HOST:PORT, unix:PATH or none
    ///
    /// It is a page for operators, who see and end sessions there; docs/console.md shows it. What a caller may do there is what
    /// access-file says, and the page asks for a token; without access-file, whoever reaches it may do everything. An address
    /// that other hosts can reach is refused under the same conditions as one of listen.
    #[arg(long, value_name = "ADDRESS", value_parser = none_or_any_address, default_value = "none", help_heading = NETWORK)]
    pub console_listen: OptionalListen,

    /// The names by which browsers may call the console, beside localhost and its address, or none
    ///
    /// Can be repeated or separated by commas. A request under any other name is refused: somebody could have pointed that name
    /// here to use the console from a page of his own. A proxy in front of it passes its own name on.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = host, default_value = "none",
          help_heading = NETWORK)]
    pub console_hosts: Vec<String>,

    /// Who may connect to a Unix socket: the mode of its file, in octal (0600 to 0777)
    ///
    /// Whoever can connect can read and end every session, so by default only the user of the server can. 0660 adds the group
    /// of the socket's file. The umask does not matter.
    #[arg(long, value_name = "MODE", value_parser = socket_mode, default_value = "0600", help_heading = NETWORK)]
    pub socket_mode: u32,

    /// The certificate of the addresses with TLS, a PEM file; those of its issuers may follow in it
    ///
    /// It is read again when it changes, and at SIGHUP; connections go on. A new one that can't be used is logged, and the old
    /// one stays.
    #[arg(long, value_name = "FILE", value_parser = none_or_pem_file, default_value = "none", help_heading = NETWORK)]
    pub tls_certificate: OptionalPath,

    /// The private key of tls-certificate, a PEM file that only the server's user can read
    #[arg(long, value_name = "FILE", value_parser = none_or_pem_file, default_value = "none", help_heading = NETWORK)]
    pub tls_key: OptionalPath,

    /// Who may connect with TLS: only clients with a certificate that one of this PEM file has signed
    #[arg(long, value_name = "FILE", value_parser = none_or_pem_file, default_value = "none", help_heading = NETWORK)]
    pub tls_client_ca: OptionalPath,

    /// Which of these clients get in: the DNS names or URIs of their certificates, or all
    ///
    /// Can be repeated or separated by commas. A certificate gets in if one of its alternative names is among them; its common
    /// name does not count, and a name with a star means only itself.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = text, default_value = "all",
          help_heading = NETWORK)]
    pub tls_client_names: Vec<String>,

    /// Who may call and what each caller may do, a TOML file; none lets in whoever can connect
    ///
    /// It names callers by their certificates, by Unix users and by tokens, on every listener, and says in which namespaces each
    /// of them may do what. docs/access.md explains it. It is read again when it changes, and at SIGHUP.
    #[arg(long, value_name = "FILE", value_parser = none_or_path, default_value = "none", help_heading = NETWORK)]
    pub access_file: OptionalPath,

    /// The tokens of the callers in access-file, a file that `sessiond token create` makes
    ///
    /// It has only hashes of them. It is read again when it changes, and at SIGHUP.
    #[arg(long, value_name = "FILE", value_parser = none_or_path, default_value = "none", help_heading = NETWORK)]
    pub access_tokens: OptionalPath,

    /// Listen beyond loopback although nobody is asked who he is: there is neither access-file nor tls-client-ca
    ///
    /// Whoever reaches the address can then read and end every session. Use this only where a firewall or a network policy says
    /// who can reach it.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = NETWORK)]
    pub allow_anonymous: bool,

    /// Listen beyond loopback without TLS
    ///
    /// Session IDs and session data then cross the network unencrypted. Use this only in a network in which every host is
    /// trusted, or behind a proxy that adds TLS. Clients show no certificate there: access-file can ask them for tokens, which
    /// the network sees too, and otherwise allow-anonymous has to be set.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = NETWORK)]
    pub allow_plaintext: bool,

    /// Serve gRPC reflection, by which tools such as grpcurl find the methods
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "true", help_heading = NETWORK)]
    pub reflection: bool,

    /// The storage engine
    #[arg(long, value_enum, value_name = "ENGINE", default_value = "sled", help_heading = STORAGE)]
    pub engine: EngineKind,

    /// The folder of the database; created if absent
    ///
    /// Only one server at a time can use it. A relative path starts at the working directory, even if a settings file names
    /// it. The engine memory does not use it.
    #[arg(long, value_name = "DIR", value_parser = path, default_value = "./sessiond-data", help_heading = STORAGE)]
    pub data_dir: PathBuf,

    /// The file of the keys with which data at rest is encrypted; sessiond key create makes a key
    ///
    /// A key of 256 bits on each line, in base64 or hex, perhaps behind its number. The first one encrypts the data folder and
    /// backups, all of them decrypt. What is under another key or in plain is encrypted anew in the background. With the word
    /// plain before the first key, everything is turned into plain again. Other users must not be able to read the file. It is
    /// read at the start.
    #[arg(long, value_name = "FILE", value_parser = none_or_key_file, default_value = "none", help_heading = STORAGE)]
    pub encryption_keys: OptionalPath,

    /// What an acknowledged write survives
    #[arg(long, value_enum, value_name = "PROMISE", default_value = "always", help_heading = STORAGE)]
    pub durability: Durability,

    /// How often writes are flushed to disk with the durability interval (10ms to 60s)
    #[arg(long, value_name = DURATION, value_parser = between(duration, "10ms", "60s"), default_value = "1s",
          help_heading = STORAGE)]
    pub flush_interval: Duration,

    /// How often touches are written to disk (100ms to 5m)
    ///
    /// Until then, touches are kept in memory. A crash may lose the touches of this time: such a session ends as if it had
    /// not been used in it, never later.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "100ms", "5m"), default_value = "5s",
          help_heading = STORAGE)]
    pub touch_interval: Duration,

    /// Memory for sessions, for changes that are not in the database yet, and for pages of the database (1MiB or more)
    #[arg(long, value_name = SIZE, value_parser = at_least(size::<u64>, "1MiB"), default_value = "256MiB",
          help_heading = STORAGE)]
    pub cache_size: u64,

    /// Refuse writes that would leave less free space than this on the disk; 0 never refuses
    ///
    /// Free space inside the database's file counts as free. The server keeps a quarter of that file and 12 MiB, 1 GiB at
    /// most, for deleting and cleaning up, which go on while writes are refused.
    #[arg(long, value_name = SIZE, value_parser = size::<u64>, default_value = "256MiB", help_heading = STORAGE)]
    pub min_free_space: u64,

    /// End the process when a flush is stuck for longer than this (5s to 10m)
    ///
    /// A supervisor should start the server again; a restart recovers every acknowledged change.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "5s", "10m"), default_value = "30s",
          help_heading = STORAGE)]
    pub stall_timeout: Duration,

    /// Open a data folder without its file `acknowledged`, such as one of an older version
    ///
    /// Without that file, nobody can tell whether the newest changes are all there, so the server refuses such a folder. With
    /// this setting it opens the folder and makes the file: use it for one start only.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = STORAGE)]
    pub accept_unmarked_data: bool,

    /// What holds in each namespace that has no other policy.
    #[command(flatten)]
    pub policy: PolicySettings,

    /// How often expired sessions are removed (100ms to 10m)
    ///
    /// An expired session is gone for every caller at once. Removing it only frees its space.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "100ms", "10m"), default_value = "1s",
          help_heading = SESSIONS)]
    pub sweep_interval: Duration,

    /// How many expired sessions are removed in one batch (1 to 10000)
    ///
    /// Between two batches, requests have the processor.
    #[arg(long, value_name = COUNT, value_parser = between(count::<usize>, "1", "10000"), default_value = "64",
          help_heading = SESSIONS)]
    pub sweep_batch: usize,

    /// How far the sweeper may fall behind before health and log say so (1s to 1d)
    ///
    /// The lag is the time since the oldest session that is still there should have been removed. Sessions expire on time all
    /// the same; only their space is freed late, and their `expired` events come late.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1s", "1d"), default_value = "1m",
          help_heading = SESSIONS)]
    pub sweep_lag_limit: Duration,

    /// How far the system's clock may be ahead of the newest time on disk when the server starts (1m to 3660d, or none)
    ///
    /// After a restart of the machine, only the system's clock can tell how long the server was stopped. A clock that is
    /// wrongly ahead would end sessions. Above this limit, the server is not ready and waits until the clock is set right. To
    /// accept the clock, start the server with a higher limit or none: without a limit, it warns and follows the clock.
    #[arg(long, value_name = DURATION, value_parser = none_or_between("1m", "3660d"), default_value = "none",
          help_heading = SESSIONS)]
    pub clock_jump_limit: OptionalDuration,

    /// How far back the history of events goes (1s to 90d)
    ///
    /// Older events are dropped. A watcher that was away for longer cannot resume where it stopped.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1s", "90d"), default_value = "1h",
          help_heading = SESSIONS)]
    pub event_history_age: Duration,

    /// How many events the history keeps (1000 to 1000000000)
    ///
    /// The oldest events beyond that are dropped, even if event-history-age would keep them.
    #[arg(long, value_name = COUNT, value_parser = between(count::<u64>, "1000", "1000000000"),
          default_value = "1000000", help_heading = SESSIONS)]
    pub event_history_count: u64,

    /// How many bytes the events of the history take (1MiB or more)
    ///
    /// The oldest events beyond that are dropped, even if event-history-age would keep them. The default holds about half a
    /// million events without attributes. On disk, events take up to twice as much until the disk is cleaned up.
    #[arg(long, value_name = SIZE, value_parser = at_least(size::<u64>, "1MiB"), default_value = "64MiB",
          help_heading = SESSIONS)]
    pub event_history_size: u64,

    /// The largest gRPC message, received or sent (64KiB to 64MiB)
    ///
    /// It must have room for the largest session (max-session-size, max-attributes) and what is around it. gRPC clients
    /// accept 4MiB by default: the server keeps an answer with many sessions below that, and exceeds it only for a single
    /// larger session.
    #[arg(long, value_name = SIZE, value_parser = between(size::<usize>, "64KiB", "64MiB"), default_value = "4MiB",
          help_heading = LIMITS)]
    pub max_message_size: usize,

    /// The largest set of request headers (1KiB to 1MiB)
    ///
    /// Each header counts as its name, its value and 32 bytes. A call with larger headers is answered with
    /// `RESOURCE_EXHAUSTED`.
    #[arg(long, value_name = SIZE, value_parser = between(size::<u32>, "1KiB", "1MiB"), default_value = "16KiB",
          help_heading = LIMITS)]
    pub max_header_size: u32,

    /// Connections at the same time (1 or more)
    ///
    /// While all are in use and a new one waits, the server closes an idle connection: one that did not finish its handshake,
    /// that has had no call for a second, or whose streams were silent for ten seconds. Each connection is an open file: the
    /// server raises its limit of open files (`ulimit -n`) as far as the hard limit allows, and warns at its start if that is
    /// too low.
    #[arg(long, value_name = COUNT, value_parser = at_least(count::<u32>, "1"), default_value = "10000",
          help_heading = LIMITS)]
    pub max_connections: u32,

    /// Connections of one address at the same time (1 or more)
    ///
    /// An address is one of IPv4, a network of 64 bits of IPv6, or a user at a Unix socket. While all are in use, a new one gets the
    /// place of an idle one of the same address, as with max-connections, and is closed at once if there is none. A client keeps one
    /// connection for each process.
    #[arg(long, value_name = COUNT, value_parser = at_least(count::<u32>, "1"), default_value = "1000",
          help_heading = LIMITS)]
    pub max_connections_per_address: u32,

    /// Concurrent HTTP/2 streams of one connection (1 or more)
    #[arg(long, value_name = COUNT, value_parser = at_least(count::<u32>, "1"), default_value = "1000",
          help_heading = LIMITS)]
    pub max_streams_per_connection: u32,

    /// Requests in flight in the whole process (1 or more)
    ///
    /// Further requests are answered with `RESOURCE_EXHAUSTED`. A request is in flight from its arrival until its answer has
    /// been taken. No single connection can use all of them: when few are left, connections that use many are refused first.
    #[arg(long, value_name = COUNT, value_parser = at_least(count::<u32>, "1"), default_value = "10000",
          help_heading = LIMITS)]
    pub max_requests_in_flight: u32,

    /// Memory for the messages of all connections that have not fully arrived or have not been taken yet (1MiB or more)
    ///
    /// Half of it is for messages that wait because the other half has no room, up to 64KiB of each. Calls wait as long as
    /// send-timeout says; when too many wait, more are refused with `RESOURCE_EXHAUSTED`. No connection gets more than it
    /// leaves to the others.
    #[arg(long, value_name = SIZE, value_parser = at_least(size::<usize>, "1MiB"), default_value = "256MiB",
          help_heading = LIMITS)]
    pub message_memory: usize,

    /// What one connection may take of message-memory (64KiB or more)
    ///
    /// One message may exceed it.
    #[arg(long, value_name = SIZE, value_parser = at_least(size::<usize>, "64KiB"), default_value = "64MiB",
          help_heading = LIMITS)]
    pub message_memory_per_connection: usize,

    /// How long a request, a message of a stream, or the handshake of a connection may take to arrive (1s to 10m)
    ///
    /// A request that takes longer is answered with `DEADLINE_EXCEEDED` and is not carried out. Large messages get one
    /// more second for each 64KiB.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1s", "10m"), default_value = "10s",
          help_heading = LIMITS)]
    pub receive_timeout: Duration,

    /// How long a peer may take to receive an answer (1s to 10m)
    ///
    /// A stream whose answer takes longer is reset with `ENHANCE_YOUR_CALM`, and a connection that takes nothing is closed.
    /// Large answers get one more second for each 64KiB, messages of a stream of answers twice the time. When message-memory
    /// or max-requests-in-flight run short, the peers that hold most of them get only two seconds.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1s", "10m"), default_value = "30s",
          help_heading = LIMITS)]
    pub send_timeout: Duration,

    /// Look-ups of a caller that may fail in a second (1 to 1000000, or none for any number)
    ///
    /// Who guesses session IDs causes many. Beyond this the answers that there is no such session come up to a second late, and
    /// then the look-ups are refused with `RESOURCE_EXHAUSTED`; look-ups that find their session are not touched. Cookies of
    /// ended sessions fail too: set it well above their usual number. Without access-file all callers count as one.
    #[arg(long, value_name = COUNT, value_parser = none_or_count("1", "1000000"), default_value = "none",
          help_heading = LIMITS)]
    pub max_failed_lookups: OptionalCount,

    /// The longest name of an attribute, in bytes of UTF-8 (1 to 1024)
    #[arg(long, value_name = COUNT, value_parser = between(count::<usize>, "1", "1024"), default_value = "256",
          help_heading = LIMITS)]
    pub max_attribute_name_bytes: usize,

    /// Threads that serve requests (1 to 256); auto is one per core
    #[arg(long, value_name = COUNT, value_parser = workers, default_value = "auto", help_heading = PROCESS)]
    pub workers: usize,

    /// How long a stopping server lets requests finish (0s to 10m)
    #[arg(long, value_name = DURATION, value_parser = between(duration, "0s", "10m"), default_value = "10s",
          help_heading = PROCESS)]
    pub drain_timeout: Duration,

    /// What is logged: off, error, warn, info, debug or trace, or a filter such as info,h2=debug
    ///
    /// A level applies to sessiond; libraries such as h2, hyper, tonic, tower and sled log only warnings and errors. To get
    /// more from a library, name it in a filter (the syntax of tracing's `EnvFilter`): debug,h2=debug.
    #[arg(long, value_name = "FILTER", value_parser = text, default_value = "info", help_heading = PROCESS)]
    pub log: String,

    /// How log lines are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto", help_heading = PROCESS)]
    pub log_format: LogFormat,

    /// Write a line into the log for every call, whatever log says: its method, caller, session's handle, code and duration
    ///
    /// The lines have the target `sessiond::access`, and none is left out. There are no session IDs in them.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = PROCESS)]
    pub access_log: bool,

    /// Where administrative calls are told of: a file, to which each adds a line of JSON, or none for the log
    ///
    /// Those are calls that end, list or watch sessions from outside, backups, and renewals of access rules and certificates. The
    /// file is made for the server's user alone, and opened again at SIGHUP. docs/calls.md explains the lines.
    #[arg(long, value_name = "FILE", value_parser = none_or_path, default_value = "none", help_heading = PROCESS)]
    pub audit_log: OptionalPath,

    /// Where spans of traced calls are sent: an OpenTelemetry collector, as `http://HOST:PORT` or `https://HOST:PORT`, or none
    ///
    /// It speaks OTLP over gRPC. A call whose caller says that its trace is sampled (traceparent) has a span. What the collector
    /// does not take is dropped and counted, and keeps no call waiting. docs/tracing.md explains the spans.
    #[arg(long, value_name = "URL", value_parser = none_or_collector, default_value = "none", help_heading = PROCESS)]
    pub otlp_endpoint: OptionalUrl,

    /// A file of headers that otlp-endpoint asks for, such as the key of a vendor: name: value on each line
    ///
    /// At most 16 of them. Other users must not be able to read the file. It is read at the start.
    #[arg(long, value_name = "FILE", value_parser = none_or_path, default_value = "none", help_heading = PROCESS)]
    pub otlp_headers: OptionalPath,

    /// The namespaces that have a policy of their own, which the file gives them; what it leaves out is as in
    /// [`policy`](Self::policy).
    #[arg(skip)]
    pub namespaces: BTreeMap<String, PolicySettings>,
}

impl Default for Settings {
    fn default() -> Self {
        let matches = Self::command().try_get_matches_from(None::<String>);
        matches.and_then(|matches| Self::from_arg_matches(&matches)).expect("every setting has a valid default")
    }
}

impl Settings {
    /// The largest message that carries one session, in any namespace.
    #[must_use]
    pub fn session_message_size(&self) -> usize {
        let own = self.namespaces.values().map(PolicySettings::session_message_size);
        own.fold(self.policy.session_message_size(), usize::max)
    }

    /// A command whose flags are exactly the settings.
    pub(super) fn command() -> Command {
        command_of::<Self>()
    }
}

/// A command whose flags are exactly those of `A`.
pub(super) fn command_of<A: Args>() -> Command {
    A::augment_args(Command::new("settings").no_binary_name(true).disable_help_flag(true))
}

/// The flags of `sessiond serve`, as given: put it into a command with `#[command(flatten)]` and call
/// [`load`](Self::load).
///
/// Its default has no flags, so that it loads the environment and the defaults.
#[derive(Clone, Debug, Default)]
pub struct ServeArgs {
    /// What `--config` names.
    pub(super) config: Option<PathBuf>,
    /// The name and the values of each setting that was given as a flag.
    pub(super) flags: Vec<(String, Vec<String>)>,
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config").long("config").value_name("FILE").help(format!(
            "Read settings from this TOML file, under the names of the flags, and policies of namespaces [env: {}]",
            environment_name("config")
        ));
        let config = config.value_parser(clap::value_parser!(PathBuf));
        command.arg(config).args(Settings::command().get_arguments().cloned().map(with_environment))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Adds the environment variable to the help. clap's own `env` is not used: it would take an empty variable for a value,
/// and judge the environment even when another subcommand runs.
fn with_environment(arg: Arg) -> Arg {
    let note = format!("[env: {}]", environment_name(arg.get_long().unwrap_or_default()));
    let short = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let long = arg.get_long_help().map_or_else(|| short.clone(), ToString::to_string);
    arg.help(format!("{short} {note}")).long_help(format!("{long}\n\n{note}"))
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Vec::new();
        for arg in Settings::command().get_arguments() {
            let (id, name) = (arg.get_id().as_str(), arg.get_long().unwrap_or_default());
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let values = matches.get_raw(id).unwrap_or_default();
                flags.push((name.to_owned(), values.map(|value| value.to_string_lossy().into_owned()).collect()));
            }
        }
        Ok(Self { config: matches.get_one("config").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
