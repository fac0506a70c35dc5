//! How large sessions may be, and the messages that carry them. A server checks these bounds together at its start, so that
//! whatever can be stored can also be read.

/// Labels of a session, at most.
pub const MAX_LABELS: usize = 16;

/// No policy lets a session become larger.
pub const MAX_SESSION_BYTES: usize = 4 << 20;

/// No policy lets a session have more attributes.
pub const MAX_ATTRIBUTES: usize = 65_536;

/// The largest message that a gRPC client accepts by default.
pub const COMMON_MESSAGE_BYTES: usize = 4 << 20;

/// Room in a message for everything but sessions.
pub const ENVELOPE_BYTES: usize = 4 << 10;

/// The largest message with one session that was ever stored, whatever the settings were then.
pub const LARGEST_MESSAGE: usize = message_with(MAX_SESSION_BYTES, MAX_ATTRIBUTES);

/// The key and the length that stand before an attribute in an answer, and do not count as its size.
const ATTRIBUTE_HEAD: usize = 5;
/// The keys and lengths that stand before and in a label.
pub(super) const LABEL_HEAD: usize = 16;
/// The other fields of a session in an answer, but for its namespace.
pub(super) const FIXED_BYTES: usize = 256;
const MAX_NAMESPACE: usize = 63;

/// The largest message that carries one session within these bounds: the answer to a read, a page of a list, an answer to a
/// batch of a hundred, an event, a reply of a stream.
#[must_use]
pub const fn message_with(session_bytes: usize, attributes: usize) -> usize {
    let heads = attributes * ATTRIBUTE_HEAD + MAX_LABELS * LABEL_HEAD;
    // The second envelope is for the other items of a batch.
    session_bytes + heads + MAX_NAMESPACE + FIXED_BYTES + 2 * ENVELOPE_BYTES
}
