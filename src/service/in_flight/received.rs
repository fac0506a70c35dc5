//! What a call holds of its connection's share if its messages come as a stream.

use super::budget::{Held, Share};
use crate::service::call_counts::CallCounts;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes of the messages of one call, among the extensions of its request; and where the calls are counted that come in
/// such a message. Clones share them.
#[derive(Clone, Debug)]
pub struct ReceivedMessages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    share: Arc<Share>,
    counts: Arc<CallCounts>,
    /// Whether somebody takes what the messages hold.
    is_claimed: AtomicBool,
    messages: Mutex<VecDeque<Held>>,
}

impl ReceivedMessages {
    /// Nothing has been received yet.
    #[must_use]
    pub fn new(share: Arc<Share>, counts: Arc<CallCounts>) -> Self {
        Self(Arc::new(Inner { share, counts, is_claimed: AtomicBool::new(false), messages: Mutex::default() }))
    }

    /// The share of the connection.
    pub(in crate::service) fn share(&self) -> &Arc<Share> {
        &self.0.share
    }

    /// The counts of the worker that serves the connection.
    pub(in crate::service) fn counts(&self) -> &CallCounts {
        &self.0.counts
    }

    /// Where a call is counted that ends later.
    pub(in crate::service) fn shared_counts(&self) -> Arc<CallCounts> {
        Arc::clone(&self.0.counts)
    }

    /// A message of so many bytes begins to arrive. Unless [`claim`](Self::claim) was called, those before it are given back.
    pub fn begin(&self, bytes: usize) {
        let held = self.0.share.hold(bytes);
        let mut messages = self.messages();
        if !self.0.is_claimed.load(Ordering::Relaxed) {
            messages.clear();
        }
        messages.push_back(held);
    }

    /// From now on [`next`](Self::next) is called for each message.
    pub(in crate::service) fn claim(&self) {
        self.0.is_claimed.store(true, Ordering::Relaxed);
    }

    /// What the oldest message holds, once it has arrived.
    pub(in crate::service) fn next(&self) -> Option<Held> {
        self.messages().pop_front()
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
