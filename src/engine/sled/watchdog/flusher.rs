//! Whether sled's flusher is alive: it ends in silence when it meets an error.

use std::{fs, io};

/// The name that sled gives to the thread that flushes its log and collects its garbage.
const FLUSHER_THREAD: &str = "log flusher";

/// So many looks in a row must miss the flusher before it counts as dead.
const MISSED_LOOKS: u32 = 8;

/// Looks for a thread of this process.
#[derive(Debug)]
pub(super) struct FlusherWatch {
    name: &'static str,
    /// How many looks in a row have missed it; `None` before it was seen.
    missed: Option<u32>,
}

impl FlusherWatch {
    /// Looks for sled's flusher.
    pub(super) fn new() -> Self {
        Self::of(FLUSHER_THREAD)
    }

    fn of(name: &'static str) -> Self {
        Self { name, missed: None }
    }

    /// Looks once more. Whether the thread has been there and is gone for good.
    pub(super) fn has_died(&mut self) -> bool {
        match is_running(self.name) {
            Some(true) => self.missed = Some(0),
            Some(false) => self.missed = self.missed.map(|looks| looks.saturating_add(1)),
            None => {}
        }
        self.missed.is_some_and(|looks| looks >= MISSED_LOOKS)
    }
}

/// Whether this process has a thread of that name; `None` if it can't be told, for want of free descriptors or on a system
/// that doesn't list threads.
fn is_running(wanted: &str) -> Option<bool> {
    for thread in fs::read_dir("/proc/self/task").ok()? {
        match fs::read_to_string(thread.ok()?.path().join("comm")) {
            Ok(name) if name.trim_end() == wanted => return Some(true),
            Ok(_) => {}
            // It has ended since the list was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // So has this one, between the opening of its file and the reading.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(_) => return None,
        }
    }
    Some(false)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn a_thread_that_was_there_and_is_gone_has_died() {
        let mut watch = FlusherWatch::of("mortal flusher");
        for _ in 0..2 * MISSED_LOOKS {
            assert!(!watch.has_died(), "it has not been there yet");
        }
        let (end, ended) = channel::<()>();
        let (here, is_here) = channel();
        let thread = thread::Builder::new().name("mortal flusher".into()).spawn(move || {
            here.send(()).unwrap();
            ended.recv().unwrap_err();
        });
        is_here.recv().unwrap();
        for _ in 0..2 * MISSED_LOOKS {
            assert!(!watch.has_died(), "it is there");
        }
        drop(end);
        thread.unwrap().join().unwrap();
        // One look that misses it may be chance.
        assert!(!watch.has_died());
        assert!((1..=MISSED_LOOKS).any(|_| watch.has_died()));
    }
}
