//! What happens to sessions without a request.
//!
//! [`task`] is the background task and says what it does when; each thing that it does is a file: [`touch_writer`],
//! [`sweeper`], [`history_trimmer`], and once after the start [`lowered_limits`].

pub(super) mod history_trimmer;
pub(super) mod lowered_limits;
pub(super) mod sweeper;
pub(super) mod task;
pub(super) mod touch_writer;
