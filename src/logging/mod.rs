//! Where log lines go and how they look.

mod limit;

use limit::Limit;
use sessiond::config::{Effective, LogFormat};
use std::io::{self, IsTerminal};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// sled logs rows at its lowest levels. They hold no session ID, but session data, which is nobody's business; it is
/// logged only by those who name sled in the filter.
const QUIET_SLED: &str = "sled=warn";

/// Sends log lines to standard error, as the settings say.
pub(crate) fn start(effective: &Effective) -> Result<(), sessiond::config::ConfigError> {
    let settings = &effective.settings;
    // A single word that is no level would silently become the name of a module.
    if settings.log.chars().all(char::is_alphanumeric) && settings.log.parse::<LevelFilter>().is_err() {
        let problem = format!("{:?} is no level; write off, error, warn, info, debug or trace", settings.log);
        return Err(effective.refuse("log", problem));
    }
    let filter =
        if settings.log.contains("sled=") { settings.log.clone() } else { format!("{},{QUIET_SLED}", settings.log) };
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| effective.refuse("log", format!("{error}; write for example info or info,sessiond=debug")))?;
    let limit = Limit::default();
    limit.start().map_err(|error| effective.refuse("log", error))?;
    let terminal = io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto if !terminal => lines.json().flatten_event(true).boxed(),
        LogFormat::Text | LogFormat::Auto => lines.with_ansi(terminal).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(limit))).init();
    Ok(())
}
