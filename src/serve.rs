//! `sessiond serve`: checks the settings, binds, claims the folder, and runs the server until it ends.

use crate::logging;
use crate::open_files;
use crate::private;
use crate::service_manager::notify::Notifier;
use crate::service_manager::sockets::{self, Passed};
use sessiond::authorization::{AccessFiles, Authorizer};
use sessiond::call_record::{AuditLog, Recorder, SpanExporter};
use sessiond::config::{ConfigError, Effective, EngineKind, Listen, ServeArgs, Settings};
use sessiond::encryption::KeyRing;
use sessiond::engine::{DataFolder, Durability, DurableOptions, EngineError, WatchdogOptions, check_keys};
use sessiond::server::{self, Listener, Listeners, Phase, ServeError, Storage, Tls, TlsFiles};
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A disk that hangs keeps a server that ends no longer waiting for the last lines about calls.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(2);

/// Why the server did not start, or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The operating system refuses something basic, such as a thread.
    #[error("the server can't start: {0}")]
    Start(#[from] io::Error),
}

impl Failure {
    /// The exit code: 2 if a setting must change before another start makes sense, otherwise 1.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Config(_) => crate::USAGE,
            Self::Serve(_) | Self::Start(_) => 1,
        }
    }
}

/// Runs the server until SIGTERM or SIGINT.
pub(crate) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let mut effective = args.load()?;
    let passed = take_passed_sockets(&mut effective)?;
    logging::start(&effective)?;
    allow_connections(&effective.settings);
    private::forbid_core_files();
    explain_panics();
    // This runtime only accepts, sweeps and waits; the workers have runtimes of their own. It has two threads, because
    // the sweeper may hang on a disk that hangs. The other thread still accepts, and notices that the storage fails.
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run(&effective, passed));
    // An engine that hangs must not keep the process from ending.
    runtime.shutdown_background();
    result
}

/// Takes over the sockets that a service manager passes, which then replace the addresses of the settings. Those of TCP speak
/// TLS if one of these addresses does.
fn take_passed_sockets(effective: &mut Effective) -> Result<Vec<Passed>, ConfigError> {
    let has_tls = effective.settings.listen.iter().any(Listen::is_tls);
    let passed = sockets::take(has_tls).map_err(|error| {
        effective.refuse("listen", format!("the sockets that the service manager passes can't be used: {error}"))
    })?;
    if !passed.is_empty() {
        effective.settings.listen = passed.iter().map(|socket| socket.address.clone()).collect();
        effective.check_listen()?;
    }
    Ok(passed)
}

/// Makes sure that all connections can be open at the same time. A server with a lower limit still serves.
fn allow_connections(settings: &Settings) {
    let connections = settings.max_connections;
    let needed = open_files::needed(connections.into(), settings.workers);
    let problem = match open_files::allow(needed) {
        Ok(allowed) if allowed >= needed => return,
        Ok(allowed) => format!("a process may have no more than {allowed} here"),
        Err(error) => format!("the limit can't be raised ({error})"),
    };
    tracing::warn!(
        "max-connections = {connections} needs {needed} open files, but {problem}; raise the hard limit (ulimit -Hn, or \
         LimitNOFILE= of a unit), or lower max-connections"
    );
}

/// Logs what to do after a panic, which ends the process. Most often its cause is damage that sled can't report in any
/// other way.
fn explain_panics() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!(
            "the server met something that should not be there; if that happens after each start, check the data folder \
             with sessiond verify and save it with sessiond salvage"
        );
    }));
}

async fn run(effective: &Effective, passed: Vec<Passed>) -> Result<(), Failure> {
    let settings = Arc::new(effective.settings.clone());
    let (tls, authorizer) = (load_tls(effective)?, load_access(effective)?);
    let keys = load_keys(effective)?;
    let recorder = Recorder::new(open_audit_log(effective)?, settings.access_log, export_spans(effective)?);
    let listeners = listen(effective, (tls, authorizer), passed).await?;
    // The folder is claimed after the bind, so that a server that can't listen leaves no folder behind.
    let storage = claim_storage(effective, keys)?;
    for listener in &listeners.calls {
        tracing::info!(address = %listener, "listening; opening the data");
    }
    let metrics = listeners.metrics.as_ref().map(ToString::to_string);
    if let Some(address) = &metrics {
        tracing::info!(address, "answering scrapes and probes");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let console = listeners.console.as_ref().map(page_of);
    if let Some(page) = &console {
        tracing::info!(page, "serving the console");
    }
    let others = [("metrics", metrics), ("console", console)];
    let ready = |listeners: &[Arc<Listener>]| announce(&settings, listeners, &others);
    let (phase, phases) = watch::channel(Phase::Starting);
    let addresses = listeners.calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let notifying = Notifier::from_environment().map(|notifier| tokio::spawn(notifier.follow(phases, addresses)));
    let ended = server::run(listeners, storage, Arc::clone(&settings), recorder.clone(), phase, ready, shutdown).await;
    // Calls that were cut off are told of, too.
    recorder.finish(LAST_LINES_WITHIN);
    if let Some(notifying) = notifying {
        // It ends with the phases, and has no result.
        notifying.await.ok();
    }
    ended?;
    match settings.engine {
        EngineKind::Sled => {
            tracing::info!("stopped; everything is on disk");
            // A failure here only makes the next start slower.
            if let Err(error) = sessiond::engine::checkpoint(&settings.data_dir, &sled_options(&settings)) {
                tracing::warn!(%error, "the next start has to replay the log");
            }
        }
        EngineKind::Memory => tracing::info!("stopped; the sessions are gone"),
    }
    Ok(())
}

/// Reads the keys, and refuses those with which the data folder can't be read, before anything in it is changed.
fn load_keys(effective: &Effective) -> Result<Option<KeyRing>, ConfigError> {
    let Settings { encryption_keys, engine, data_dir, .. } = &effective.settings;
    let refuse = |problem: &dyn Display| effective.refuse("encryption-keys", problem);
    let keys = encryption_keys.as_deref().map(KeyRing::load).transpose().map_err(|error| refuse(&error))?;
    if *engine == EngineKind::Sled
        && let Err(EngineError::Keys(problem)) = check_keys(data_dir, keys.as_ref())
        && !problem.is_damage()
    {
        return Err(refuse(&format_args!("the data folder {} can't be opened: {problem}", data_dir.display())));
    }
    Ok(keys)
}

/// Opens the file of the audit log, if there is one.
fn open_audit_log(effective: &Effective) -> Result<AuditLog, ConfigError> {
    match &effective.settings.audit_log {
        None => Ok(AuditLog::in_log()),
        Some(path) => AuditLog::open(path).map_err(|problem| effective.refuse("audit-log", problem)),
    }
}

/// Begins to send spans, if there is a collector.
fn export_spans(effective: &Effective) -> Result<Option<SpanExporter>, ConfigError> {
    let Settings { otlp_endpoint, otlp_headers, .. } = &effective.settings;
    let started = otlp_endpoint.as_deref().map(|address| SpanExporter::start(address, otlp_headers.as_deref()));
    started.transpose().map_err(|error| effective.refuse(error.setting, error.problem))
}

/// Reads the certificate if an address needs one.
fn load_tls(effective: &Effective) -> Result<Option<Tls>, ConfigError> {
    let Settings { tls_certificate, tls_key, tls_client_ca, tls_client_names, .. } = &effective.settings;
    let (Some(certificate), Some(key)) = (tls_certificate.clone(), tls_key.clone()) else { return Ok(None) };
    let loaded = Tls::load(TlsFiles { certificate, key, client_ca: tls_client_ca.clone() }, tls_client_names);
    loaded.map(Some).map_err(|error| effective.refuse(error.setting, error.problem))
}

/// Reads the rules of access, if there are any.
fn load_access(effective: &Effective) -> Result<Option<Authorizer>, ConfigError> {
    let Settings { access_file, access_tokens, tls_client_ca, .. } = &effective.settings;
    let Some(access) = access_file.clone() else { return Ok(None) };
    let files = AccessFiles { access, tokens: access_tokens.clone(), has_certificates: tls_client_ca.is_some() };
    let loaded = Authorizer::load(files);
    loaded.map(Some).map_err(|error| effective.refuse(error.setting, error.problem))
}

/// Listens on the sockets that were passed, or otherwise on the addresses of the settings.
async fn listen(
    effective: &Effective,
    (tls, authorizer): (Option<Tls>, Option<Authorizer>),
    passed: Vec<Passed>,
) -> Result<Listeners, Failure> {
    let settings = &effective.settings;
    let bind = async |name, address| {
        let bound = Listener::bind(address, settings.socket_mode).await;
        bound.map_err(|error| bind_refusal(effective, name, address, &error))
    };
    let mut calls = Vec::new();
    if passed.is_empty() {
        for address in &settings.listen {
            calls.push(bind("listen", address).await?);
        }
    } else {
        for socket in passed {
            calls.push(socket.listen()?);
        }
    }
    let metrics = match &settings.metrics_listen {
        Some(address) => Some(bind("metrics-listen", address).await?),
        None => None,
    };
    let console = match &settings.console_listen {
        Some(address) => Some(bind("console-listen", address).await?),
        None => None,
    };
    Ok(Listeners { calls, tls, authorizer, metrics, console })
}

fn claim_storage(effective: &Effective, keys: Option<KeyRing>) -> Result<Storage, ConfigError> {
    let settings = &effective.settings;
    match settings.engine {
        EngineKind::Memory => Ok(Storage::Memory),
        EngineKind::Sled => {
            let folder = DataFolder::claim(&settings.data_dir).map_err(|error| effective.refuse("data-dir", error))?;
            Ok(Storage::Folder(folder, DurableOptions { keys, ..sled_options(settings) }))
        }
    }
}

fn sled_options(settings: &Settings) -> DurableOptions {
    DurableOptions {
        cache_bytes: settings.cache_size,
        durability: settings.durability,
        flush_interval: settings.flush_interval,
        accept_unmarked: settings.accept_unmarked_data,
        watchdog: WatchdogOptions { min_free_bytes: settings.min_free_space, stall_timeout: settings.stall_timeout },
        keys: None,
        seals: settings.policy.sealed || settings.namespaces.values().any(|policy| policy.sealed),
    }
}

fn bind_refusal(effective: &Effective, name: &str, address: &Listen, error: &io::Error) -> ConfigError {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse if is_other_file(address) => {
            "a file that is no socket is there; move it away, or choose another path"
        }
        io::ErrorKind::AddrInUse => "another process listens there; stop it, or choose another address",
        io::ErrorKind::PermissionDenied => "this user may not listen there; choose another address",
        io::ErrorKind::NotFound => "the folder of the socket does not exist; create it, or choose another path",
        _ => "choose an address of this machine",
    };
    effective.refuse(name, format!("can't listen on {address} ({error}); {remedy}"))
}

/// Whether something that is no socket stands where a socket is wanted.
fn is_other_file(address: &Listen) -> bool {
    let Listen::Unix(path) = address else { return false };
    path.symlink_metadata().is_ok_and(|found| !found.file_type().is_socket())
}

/// Where a browser finds the console; a Unix socket is for a proxy.
fn page_of(listener: &Listener) -> String {
    let address = listener.to_string();
    match listener {
        Listener::Tcp(_) => format!("http://{address}/"),
        Listener::Tls(_) => format!("{}/", address.replacen("tls://", "https://", 1)),
        Listener::Unix(..) => address,
    }
}

/// Prints for people where the server listens and what it promises. Log lines go to standard error.
fn announce(settings: &Settings, listeners: &[Arc<Listener>], others: &[(&str, Option<String>)]) {
    let data = match settings.engine {
        EngineKind::Sled => absolute(&settings.data_dir).display().to_string(),
        EngineKind::Memory => "in memory only".into(),
    };
    let mut lines = vec![format!("sessiond {} is ready", env!("CARGO_PKG_VERSION"))];
    lines.extend(listeners.iter().map(|listener| format!("  listening   {listener}")));
    let others = others.iter().filter_map(|(name, address)| address.as_ref().map(|address| (name, address)));
    lines.extend(others.map(|(name, address)| format!("  {name:<10}  {address}")));
    let with_callers = || settings.listen.iter().chain(&settings.console_listen);
    if with_callers().any(Listen::is_exposed) {
        lines.push("  network     not encrypted: whoever can read it sees session IDs".into());
    }
    let asks = |address: &Listen| address.is_tls() && settings.tls_client_ca.is_some();
    let is_open = |address: &Listen| !(address.is_local() || asks(address));
    if let Some(file) = &settings.access_file {
        lines.push(format!("  access      by the rules of {}", absolute(file).display()));
    } else if with_callers().any(is_open) {
        lines.push("  access      open: whoever reaches the server can read and end sessions".into());
    }
    lines.push(format!("  data        {data}"));
    lines.push(format!("  durability  {}", promise(settings)));
    // A server whose output is closed still serves.
    writeln!(io::stdout(), "{}", lines.join("\n")).ok();
    tracing::info!("ready");
}

fn promise(settings: &Settings) -> String {
    match (settings.engine, settings.durability) {
        (EngineKind::Memory, _) => "none: sessions end with the process".into(),
        (_, Durability::Always) => "always: an acknowledged change survives a crash and a power cut".into(),
        (_, Durability::Interval) => format!(
            "interval: a crash or a power cut loses at most the last {}",
            humantime::format_duration(settings.flush_interval)
        ),
        (_, Durability::None) => "none: a crash loses about the last half second, a power cut any amount".into(),
    }
}

fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}
