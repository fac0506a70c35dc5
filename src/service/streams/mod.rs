//! Answers that take longer than one message: streams, and the thread on which walks over many sessions run.
//!
//! [`answer_stream`] is what every stream is made of; [`watch`] is the stream of events, and [`watchers`] knows
//! those that are open. The streams of operators are in
//! [`admin`](super::admin).

pub(super) mod answer_stream;
pub(super) mod background;
pub(super) mod watch;
pub(super) mod watchers;
