//! Sets up where log lines go and how they look.

mod limit;

use limit::Limit;
use sessiond::config::{Effective, LogFormat};
use sessiond::printable::escape_controls;
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// The target of sessiond's own lines.
const OWN: &str = "sessiond";

/// The target of the lines that there are for every call.
const ACCESS: &str = "sessiond::access";

/// The one control character that JSON leaves as it is and ASCII has.
const DEL: u8 = 0x7f;

/// The most that libraries log unless the filter names them. At lower levels, h2 logs each frame, and sled logs rows.
/// These hold no session ID, but session data, which does not belong in a log.
const LIBRARIES: LevelFilter = LevelFilter::WARN;

/// It warns of what peers send in whole, however long that is. Why a handshake failed is in a line of sessiond's own.
const LOUD: &str = "rustls";

/// Sends log lines to standard error, as the settings say.
pub(crate) fn start(effective: &Effective) -> Result<(), sessiond::config::ConfigError> {
    let settings = &effective.settings;
    // `EnvFilter` would silently take a word that is no level for the name of a module.
    if settings.log.chars().all(char::is_alphanumeric) && settings.log.parse::<LevelFilter>().is_err() {
        let problem = format!("{:?} is no level; write off, error, warn, info, debug or trace", settings.log);
        return Err(effective.refuse("log", problem));
    }
    let filter = EnvFilter::try_new(filter(&settings.log, settings.access_log))
        .map_err(|error| effective.refuse("log", format!("{error}; write for example debug or info,h2=debug")))?;
    let limit = Limit::default();
    limit.start().map_err(|error| effective.refuse("log", error))?;
    let terminal = io::stderr().is_terminal();
    let is_json = settings.log_format == LogFormat::Json || (settings.log_format == LogFormat::Auto && !terminal);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if is_json {
        fmt::layer().with_writer(|| JsonLine(io::stderr())).json().flatten_event(true).boxed()
    } else {
        fmt::layer().with_writer(io::stderr).with_ansi(terminal).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(limit))).init();
    Ok(())
}

/// Takes a line of JSON in one write. What visitors have chosen stands in it: characters that control a terminal or turn the direction of
/// its text are escaped, as in lines of text.
struct JsonLine<W>(W);

impl<W: Write> Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match str::from_utf8(line) {
            Ok(text) if !text.is_ascii() || line.contains(&DEL) => {
                self.0.write_all(escape_controls(text).as_bytes())?;
            }
            // JSON has escaped those below already.
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Turns the setting into a filter. A level without a name applies to sessiond only, and not to the lines for every call: who
/// wants them has said so, and may still name them in the filter.
fn filter(setting: &str, access_lines: bool) -> String {
    let mut directives: Vec<String> = access_lines.then(|| format!("{ACCESS}=info")).into_iter().collect();
    let mut libraries = LIBRARIES;
    for directive in setting.split(',').map(str::trim) {
        match directive.parse::<LevelFilter>() {
            Ok(level) => {
                // Libraries never log more than sessiond.
                libraries = LIBRARIES.min(level);
                directives.push(format!("{OWN}={level}"));
            }
            Err(_) => directives.push(directive.to_owned()),
        }
    }
    let loud = format!("{LOUD}={}", LevelFilter::ERROR.min(libraries));
    directives.splice(0..0, [libraries.to_string(), loud]);
    directives.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_escaped_in_json() {
        let mut lines = Vec::new();
        for line in ["{\"principal\":\"a\u{7f}b\"}\n", "{\"principal\":\"\u{9b}31m\u{202e}\u{eb}\"}\n", "{}\n"] {
            assert_eq!(JsonLine(&mut lines).write(line.as_bytes()).expect("memory"), line.len());
        }
        let lines = String::from_utf8(lines).expect("text");
        assert_eq!(lines, "{\"principal\":\"a\\u007fb\"}\n{\"principal\":\"\\u009b31m\\u202e\u{eb}\"}\n{}\n");
    }

    #[test]
    fn a_level_is_that_of_sessiond() {
        for (setting, expected) in [
            ("info", "warn,rustls=error,sessiond=info"),
            ("DEBUG", "warn,rustls=error,sessiond=debug"),
            ("trace,h2=debug", "warn,rustls=error,sessiond=trace,h2=debug"),
            ("error", "error,rustls=error,sessiond=error"),
            ("off", "off,rustls=off,sessiond=off"),
            ("sessiond=debug", "warn,rustls=error,sessiond=debug"),
            ("info, sessiond::session=debug", "warn,rustls=error,sessiond=info,sessiond::session=debug"),
        ] {
            assert_eq!(filter(setting, false), expected);
            EnvFilter::try_new(filter(setting, false)).expect(setting);
        }
    }

    #[test]
    fn lines_for_every_call_have_a_level_of_their_own() {
        for (setting, tls) in [("warn", "error"), ("off", "off")] {
            let filter = filter(setting, true);
            assert_eq!(filter, format!("{setting},rustls={tls},sessiond::access=info,sessiond={setting}"));
            EnvFilter::try_new(filter).expect(setting);
        }
    }
}
