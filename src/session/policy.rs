//! What a site allows and what it assumes where a request says nothing.

use crate::clock::Millis;

/// No timeout may be longer: 3,660 days, ten years.
pub const MAX_TIMEOUT: Millis = 3_660 * 24 * 60 * 60 * 1_000;

/// The longest grace of a rotated ID: 60 s.
pub const MAX_GRACE: Millis = 60_000;

/// Labels of a session, at most.
pub const MAX_LABELS: usize = 16;

/// Defaults and limits of sessions.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The idle timeout of sessions that name none.
    pub idle_timeout: Millis,
    /// The absolute timeout of sessions that name none; `None` if they have none.
    pub absolute_timeout: Option<Millis>,
    /// Bytes of attributes, labels and principal.
    pub max_session_bytes: usize,
    /// Attributes of a session.
    pub max_attributes: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle_timeout: 24 * 60 * 60 * 1_000,
            absolute_timeout: None,
            max_session_bytes: 256 << 10,
            max_attributes: 1_024,
        }
    }
}
