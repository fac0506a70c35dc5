//! The bounds that settings decide.

use crate::model::{COMMON_MESSAGE_BYTES, ENVELOPE_BYTES, message_with};

/// Bounds of request fields that a setting decides.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Bytes of an attribute's name.
    pub max_attribute_name_bytes: usize,
    /// Attributes that one request may name.
    pub max_attributes: usize,
    /// Bytes of an answer.
    pub max_message_bytes: usize,
    /// Bytes of a message with the largest session.
    pub session_message_bytes: usize,
}

impl RequestLimits {
    /// Bytes that sessions may take in an answer with many. Even if larger messages are allowed, such an answer stays so small
    /// that every client accepts it, unless a single session is larger.
    pub(in crate::service) fn answer_bytes(&self) -> usize {
        let bytes = self.max_message_bytes.min(COMMON_MESSAGE_BYTES.max(self.session_message_bytes));
        bytes.saturating_sub(ENVELOPE_BYTES)
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_attribute_name_bytes: 256,
            max_attributes: 1_024,
            max_message_bytes: 4 << 20,
            session_message_bytes: message_with(256 << 10, 1_024),
        }
    }
}
