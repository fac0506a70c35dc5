//! Where log lines go and how they look.

use sessiond::config::{Effective, LogFormat};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Where sessiond's own lines come from.
const OWN: &str = "sessiond";

/// The most that libraries log unless the filter names them: below it h2 tells each frame, and sled rows. Those hold no
/// session ID, but session data, which is nobody's business.
const LIBRARIES: LevelFilter = LevelFilter::WARN;

/// Sends log lines to standard error, as the settings say.
pub(crate) fn start(effective: &Effective) -> Result<(), sessiond::config::ConfigError> {
    let settings = &effective.settings;
    // A single word that is no level would silently become the name of a module.
    if settings.log.chars().all(char::is_alphanumeric) && settings.log.parse::<LevelFilter>().is_err() {
        let problem = format!("{:?} is no level; write off, error, warn, info, debug or trace", settings.log);
        return Err(effective.refuse("log", problem));
    }
    let filter = EnvFilter::try_new(filter(&settings.log))
        .map_err(|error| effective.refuse("log", format!("{error}; write for example debug or info,h2=debug")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let terminal = io::stderr().is_terminal();
    match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Auto if !terminal => lines.json().flatten_event(true).init(),
        LogFormat::Text | LogFormat::Auto => lines.with_ansi(terminal).init(),
    }
    Ok(())
}

/// What the setting comes to: a level that names nobody is sessiond's.
fn filter(setting: &str) -> String {
    let mut directives = vec![];
    let mut libraries = LIBRARIES;
    for directive in setting.split(',').map(str::trim) {
        match directive.parse::<LevelFilter>() {
            Ok(level) => {
                // Who wants less of sessiond wants no more of the others.
                libraries = LIBRARIES.min(level);
                directives.push(format!("{OWN}={level}"));
            }
            Err(_) => directives.push(directive.to_owned()),
        }
    }
    directives.insert(0, libraries.to_string());
    directives.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_that_of_sessiond() {
        for (setting, expected) in [
            ("info", "warn,sessiond=info"),
            ("DEBUG", "warn,sessiond=debug"),
            ("trace,h2=debug", "warn,sessiond=trace,h2=debug"),
            ("error", "error,sessiond=error"),
            ("off", "off,sessiond=off"),
            ("sessiond=debug", "warn,sessiond=debug"),
            ("info, sessiond::session=debug", "warn,sessiond=info,sessiond::session=debug"),
        ] {
            assert_eq!(filter(setting), expected);
            EnvFilter::try_new(filter(setting)).expect(setting);
        }
    }
}
