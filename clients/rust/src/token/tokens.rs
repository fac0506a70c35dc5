//! The token in use, and its file, which is read again when it has changed.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

/// How old what is known of the file may be when a call is made.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// The token of a client. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<State>);

struct State {
    /// None if the token was given as text: it never changes.
    file: Option<PathBuf>,
    /// The header of calls.
    header: RwLock<MetadataValue<Ascii>>,
    /// Which token that is, counted from 0; written after the header, so that a number never stands for an older one.
    number: AtomicU64,
    start: Instant,
    /// In milliseconds since the start.
    last_look: AtomicU64,
    /// When the last look began that a refused call waited for.
    asked: Mutex<Instant>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("file", &self.0.file).finish_non_exhaustive()
    }
}

impl Tokens {
    /// A token that never changes.
    pub(super) fn fixed(header: MetadataValue<Ascii>) -> Self {
        Self::new(None, header)
    }

    /// A token that was read from this file.
    pub(super) fn of_file(file: PathBuf, header: MetadataValue<Ascii>) -> Self {
        Self::new(Some(file), header)
    }

    fn new(file: Option<PathBuf>, header: MetadataValue<Ascii>) -> Self {
        let start = Instant::now();
        Self(Arc::new(State {
            file,
            header: RwLock::new(header),
            number: AtomicU64::new(0),
            start,
            last_look: AtomicU64::new(0),
            asked: Mutex::new(start),
        }))
    }

    /// The header of calls.
    pub(crate) fn header(&self) -> MetadataValue<Ascii> {
        self.0.header.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which token is in use; a later one has a higher number.
    pub(crate) fn number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    /// Looks at the file if the last look is too old. One caller waits for that, the others go on with what is known.
    pub(crate) async fn look_if_due(&self) {
        let state = &self.0;
        if state.file.is_none() {
            return;
        }
        let now = u64::try_from(state.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = state.last_look.load(Ordering::Relaxed);
        let is_due = u128::from(now.saturating_sub(last)) >= LOOK_AFTER.as_millis();
        if is_due && state.last_look.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look().await;
        }
    }

    /// Whether there is another token than that of this number, which was refused. Looks at the file at once; calls that
    /// were refused at the same time share the look.
    pub(crate) async fn has_another_than(&self, number: u64) -> bool {
        if self.number() == number && self.0.file.is_some() {
            let refused = Instant::now();
            let mut asked = self.0.asked.lock().await;
            if *asked <= refused {
                *asked = Instant::now();
                self.look().await;
            }
        }
        self.number() != number
    }

    /// Reads the file, which may lie on a disk that is slow. What can't be used leaves the token before.
    pub(crate) async fn look(&self) {
        let state = Arc::clone(&self.0);
        // It fails only while the runtime ends.
        spawn_blocking(move || state.read_again()).await.ok();
    }
}

impl State {
    fn read_again(&self) {
        // A pipe could be read once, and would now keep us waiting.
        let Some(file) = self.file.as_deref().filter(|file| file.is_file()) else { return };
        let Ok(found) = super::read(file) else { return };
        let mut header = self.header.write().unwrap_or_else(PoisonError::into_inner);
        if *header != found {
            *header = found;
            self.number.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tokio::time::advance;

    use super::*;
    use crate::token::TokenSettings;

    fn tokens(file: &Path) -> Tokens {
        let settings = TokenSettings { file: Some(file.to_owned()), text: None };
        settings.read(&|_| None).expect("a token").expect("one is set")
    }

    fn shown(tokens: &Tokens) -> String {
        tokens.header().to_str().expect("ASCII").to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_seen_after_two_seconds() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, "first").expect("the file is written");
        let tokens = tokens(&file);
        fs::write(&file, "second").expect("the file is written");
        advance(Duration::from_millis(1_999)).await;
        tokens.look_if_due().await;
        assert_eq!((shown(&tokens).as_str(), tokens.number()), ("Bearer first", 0));
        advance(Duration::from_millis(1)).await;
        tokens.look_if_due().await;
        assert_eq!((shown(&tokens).as_str(), tokens.number()), ("Bearer second", 1));
        // What can't be used changes nothing.
        for text in ["", "two words"] {
            fs::write(&file, text).expect("the file is written");
            advance(LOOK_AFTER).await;
            tokens.look_if_due().await;
            assert_eq!((shown(&tokens).as_str(), tokens.number()), ("Bearer second", 1));
        }
        fs::remove_file(&file).expect("the file is removed");
        advance(LOOK_AFTER).await;
        tokens.look_if_due().await;
        assert_eq!((shown(&tokens).as_str(), tokens.number()), ("Bearer second", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_the_file_is_looked_at_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, "first").expect("the file is written");
        let tokens = tokens(&file);
        assert!(!tokens.has_another_than(0).await);
        fs::write(&file, "second").expect("the file is written");
        assert!(tokens.has_another_than(0).await);
        assert_eq!(shown(&tokens), "Bearer second");
        assert!(!tokens.has_another_than(1).await);
        assert!(tokens.has_another_than(0).await, "who was late needs no look");
    }
}
