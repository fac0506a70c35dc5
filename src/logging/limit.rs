//! Limits the rate of log lines of one kind. A peer that causes thousands of lines must not fill a disk or hide other
//! lines from readers. Lines that are left out are counted, and the count is logged.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// The most lines of a kind in each [`WINDOW`].
const LINES: u32 = 20;

const WINDOW: Duration = Duration::from_secs(10);

/// The pause between two checks for lines that were left out.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many characters of a line are shown as an example.
const SHOWN: usize = 120;

/// The target of the lines that report what was left out.
const TARGET: &str = "sessiond::logging";

/// The targets of lines that are not limited: of those, and of those about single calls, each of which counts.
const UNLIMITED: [&str; 3] = [TARGET, "sessiond::audit", super::ACCESS];

/// Lets through only so many lines of a kind, that is, lines from the same place in the code. Lines of levels that are
/// off by default are not limited: whoever turns them on wants all of them. Clones share their counts.
#[derive(Clone, Default)]
pub(super) struct Limit(Arc<Mutex<HashMap<Identifier, Kind>>>);

/// The lines of one kind in the present window.
struct Kind {
    begin: Instant,
    lines: u32,
    left_out: u64,
    /// The text of the first line that was left out.
    example: String,
}

impl Limit {
    /// Starts the thread that reports what was left out.
    pub(super) fn start(&self) -> io::Result<()> {
        let limit = self.clone();
        thread::Builder::new().name("log-limit".into()).spawn(move || {
            loop {
                thread::sleep(LOOK_EVERY);
                for (left_out, line) in limit.end_windows(Instant::now()) {
                    tracing::warn!(target: TARGET, left_out, line, "log lines of one kind were left out");
                }
            }
        })?;
        Ok(())
    }

    /// Whether a line may be written now.
    fn admits(&self, kind: Identifier, now: Instant, line: impl FnOnce() -> String) -> bool {
        let mut kinds = self.kinds();
        let kind =
            kinds.entry(kind).or_insert_with(|| Kind { begin: now, lines: 0, left_out: 0, example: String::new() });
        if kind.left_out == 0 && now.saturating_duration_since(kind.begin) >= WINDOW {
            (kind.begin, kind.lines) = (now, 0);
        }
        if kind.lines < LINES {
            kind.lines += 1;
            return true;
        }
        if kind.left_out == 0 {
            kind.example = line();
        }
        kind.left_out += 1;
        false
    }

    /// Ends windows that are over. Returns what they left out: a count and an example each.
    fn end_windows(&self, now: Instant) -> Vec<(u64, String)> {
        let mut kinds = self.kinds();
        let ended =
            kinds.values_mut().filter(|kind| kind.left_out > 0 && now.saturating_duration_since(kind.begin) >= WINDOW);
        let told = ended.map(|kind| {
            (kind.begin, kind.lines) = (now, 0);
            (mem::take(&mut kind.left_out), mem::take(&mut kind.example))
        });
        told.collect()
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for Limit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || UNLIMITED.contains(&metadata.target()) {
            return true;
        }
        self.admits(metadata.callsite(), Instant::now(), || {
            let mut message = Message(String::new());
            event.record(&mut message);
            message.0.chars().take(SHOWN).collect()
        })
    }
}

/// The message of a line, without its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::{Callsite, callsite::DefaultCallsite, field::FieldSet, metadata::Kind as MetadataKind};

    static ONE: DefaultCallsite = DefaultCallsite::new(&METADATA);
    static ANOTHER: DefaultCallsite = DefaultCallsite::new(&METADATA);
    static METADATA: Metadata<'static> = Metadata::new(
        "one",
        "test",
        Level::WARN,
        None,
        None,
        None,
        FieldSet::new(&[], Identifier(&ONE)),
        MetadataKind::EVENT,
    );

    fn one() -> Identifier {
        Identifier(&ONE as &dyn Callsite)
    }

    fn admitted(limit: &Limit, kind: &Identifier, lines: u32, now: Instant) -> usize {
        (0..lines).filter(|number| limit.admits(kind.clone(), now, || format!("line {number}"))).count()
    }

    #[test]
    fn lines_above_the_limit_are_counted_and_told_once() {
        let (limit, now) = (Limit::default(), Instant::now());
        assert_eq!(admitted(&limit, &one(), 1_000, now), 20);
        assert_eq!(admitted(&limit, &Identifier(&ANOTHER), 5, now), 5, "another kind");
        assert!(limit.end_windows(now).is_empty());
        assert_eq!(limit.end_windows(now + WINDOW), [(980, "line 20".to_owned())]);
        assert!(limit.end_windows(now + 2 * WINDOW).is_empty());
    }

    #[test]
    fn each_window_has_its_own_lines() {
        let (limit, now) = (Limit::default(), Instant::now());
        assert_eq!(admitted(&limit, &one(), 15, now), 15);
        assert_eq!(admitted(&limit, &one(), 15, now + WINDOW), 15);
        // Nothing is written until what was left out is reported.
        assert_eq!(admitted(&limit, &one(), 15, now + WINDOW), 5);
        assert_eq!(admitted(&limit, &one(), 15, now + 2 * WINDOW), 0);
        assert_eq!(limit.end_windows(now + 2 * WINDOW).len(), 1);
        assert_eq!(admitted(&limit, &one(), 15, now + 2 * WINDOW), 15);
    }
}
