//! The settings that a namespace can have of its own.

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::model::message_with;
use crate::session::AtSessionLimit;

use super::args::{BOOL, COUNT, DURATION, SESSIONS, SIZE};
use super::values::{OptionalCount, OptionalDuration, between, count, duration, none_or_between, none_or_count, size};

/// Limits and defaults of the sessions of a namespace. A default applies where a request gives no value. The comments
/// are also the help texts.
///
/// Defaults apply to sessions and timeouts that are set after the server's start. Maxima also apply to existing
/// sessions.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// The idle timeout of sessions that set none (1ms to 3660d)
    ///
    /// It starts again at each touch. Can't be above max-idle-timeout.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1ms", "3660d"), default_value = "24h",
          help_heading = SESSIONS)]
    pub idle_timeout: Duration,

    /// The absolute timeout of sessions that set none (1ms to 3660d, or none)
    ///
    /// It runs from the creation of the session and nothing extends it. Can't be above max-absolute-timeout.
    #[arg(long, value_name = DURATION, value_parser = none_or_between("1ms", "3660d"), default_value = "none",
          help_heading = SESSIONS)]
    pub absolute_timeout: OptionalDuration,

    /// The longest idle timeout, whatever a session asked for (1ms to 3660d)
    ///
    /// It also applies to sessions that exist already.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "1ms", "3660d"), default_value = "3660d",
          help_heading = SESSIONS)]
    pub max_idle_timeout: Duration,

    /// The longest absolute timeout, whatever a session asked for (1ms to 3660d, or none)
    ///
    /// It also applies to sessions that exist already, and to those without an absolute timeout.
    #[arg(long, value_name = DURATION, value_parser = none_or_between("1ms", "3660d"), default_value = "none",
          help_heading = SESSIONS)]
    pub max_absolute_timeout: OptionalDuration,

    /// The largest session: its attributes, labels and principal (1KiB to 4MiB)
    ///
    /// A session travels in one message, with 5 bytes for each attribute and 9KiB for what is around it: max-message-size must
    /// have room for all of that.
    #[arg(long, value_name = SIZE, value_parser = between(size::<usize>, "1KiB", "4MiB"), default_value = "256KiB",
          help_heading = SESSIONS)]
    pub max_session_size: usize,

    /// Attributes of one session (1 to 65536)
    #[arg(long, value_name = COUNT, value_parser = between(count::<usize>, "1", "65536"), default_value = "1024",
          help_heading = SESSIONS)]
    pub max_attributes: usize,

    /// Sessions that the namespace can have (1 to 1000000000, or none for any number)
    ///
    /// Beyond it none is made. Sessions that have expired count until they are swept, within about a second. At the top level it
    /// holds for each namespace that has no policy of its own.
    #[arg(long, value_name = COUNT, value_parser = none_or_count("1", "1000000000"), default_value = "none",
          help_heading = SESSIONS)]
    pub max_sessions: OptionalCount,

    /// Live sessions that one principal can have (1 to 100000, or none for any number)
    ///
    /// Sessions without a principal are not limited.
    #[arg(long, value_name = COUNT, value_parser = none_or_count("1", "100000"), default_value = "none",
          help_heading = SESSIONS)]
    pub max_sessions_per_principal: OptionalCount,

    /// What happens when a principal that has max-sessions-per-principal would get another session
    #[arg(long, value_enum, value_name = "ACTION", default_value = "refuse", help_heading = SESSIONS)]
    pub at_session_limit: AtSessionLimit,

    /// Ignore a touch within this time after the last one, which saves work (0s to 1h)
    ///
    /// The time of the last access may lag by as much, and a session may expire earlier by as much: keep it well below
    /// the idle timeouts. 0s ignores no touch.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "0s", "1h"), default_value = "0s",
          help_heading = SESSIONS)]
    pub touch_granularity: Duration,

    /// The longest time for which a rotated session ID can still read (0s to 60s)
    ///
    /// A rotation that asks for more gets this. 0s ends the old ID at once.
    #[arg(long, value_name = DURATION, value_parser = between(duration, "0s", "60s"), default_value = "60s",
          help_heading = SESSIONS)]
    pub max_rotation_grace: Duration,

    /// Keep the last attributes of a session in its deleted, expired or revoked event
    ///
    /// A watcher can then ask for them. Each such event takes the space of the session for as long as the history keeps it.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = SESSIONS)]
    pub event_attributes: bool,

    /// Seal the attributes of sessions: only who has a session's ID can read them
    ///
    /// The server keeps neither the ID nor the key, so disk, backups and events tell nothing of them; nor do lists. A session that
    /// exists already is sealed when it is next written, and opened when it is next written without the policy.
    #[arg(long, value_name = BOOL, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
          default_value = "false", help_heading = SESSIONS)]
    pub sealed: bool,
}

impl PolicySettings {
    /// The largest message that carries one session.
    #[must_use]
    pub fn session_message_size(&self) -> usize {
        message_with(self.max_session_size, self.max_attributes)
    }
}

impl Default for PolicySettings {
    fn default() -> Self {
        super::Settings::default().policy
    }
}
