//! One session in the ledger: its states, and which of them the server may have after a crash.

use sessiond_client::proto::{EventKind, Session, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// What a client sees of a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    /// The ID that opens it; unknown if the server minted it and the answer was lost.
    pub(crate) id: Option<String>,
    pub(crate) version: u64,
    pub(crate) principal: String,
    pub(crate) attributes: BTreeMap<String, Value>,
}

/// One change of a session.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The event that tells of it.
    pub(crate) kind: EventKind,
    /// The session afterwards; `None` if it is gone.
    pub(crate) state: Option<Content>,
    /// When the answer came; `None` while the change is in doubt.
    pub(crate) acknowledged: Option<Instant>,
    /// How long the ID before can still read, if the step changed it.
    pub(crate) grace: Duration,
}

/// What survives the end of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// Every acknowledged change.
    Everything,
    /// What was acknowledged at least so long before.
    OlderThan(Duration),
}

impl Promise {
    pub(crate) fn covers(self, acknowledged: Option<Instant>, crash: Instant) -> bool {
        match (self, acknowledged) {
            (_, None) => false,
            (Self::Everything, Some(_)) => true,
            (Self::OlderThan(age), Some(at)) => at + age <= crash,
        }
    }
}

/// What is wrong with the data after a crash.
#[derive(Clone, Debug)]
pub(crate) enum Finding {
    /// An acknowledged change is not there.
    Lost(String),
    /// Something that had ended is there.
    Revived(String),
    /// Anything else that no client did.
    Wrong(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(formatter, "lost: {what}"),
            Self::Revived(what) => write!(formatter, "revived: {what}"),
            Self::Wrong(what) => write!(formatter, "wrong: {what}"),
        }
    }
}

/// A session and its changes.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// An attribute that no other session has, so that it is found again even if nobody learned its handle.
    pub(crate) tag: String,
    pub(crate) handle: Option<String>,
    /// The last state that was found on the server, and the changes since.
    pub(crate) steps: Vec<Step>,
    /// The events that must have told of it up to the last state found.
    pub(crate) told: Vec<(EventKind, u64)>,
    /// IDs that can't open it from the given moment on.
    pub(crate) dead_ids: Vec<(String, Instant)>,
    /// It is not there, and whether that is because its creation is lost can't be told.
    pub(crate) perhaps_never_made: bool,
}

/// What an entry looks like after a check.
pub(crate) struct Settled {
    pub(crate) finding: Option<Finding>,
    /// How long before the crash the oldest change was acknowledged that is not there any more.
    pub(crate) lost_age: Option<Duration>,
}

impl Entry {
    pub(crate) fn new(tag: String) -> Self {
        // Before its creation the session does not exist.
        let steps = vec![Step {
            kind: EventKind::Unspecified,
            state: None,
            acknowledged: Some(Instant::now()),
            grace: Duration::ZERO,
        }];
        Self { tag, handle: None, steps, told: Vec::new(), dead_ids: Vec::new(), perhaps_never_made: false }
    }

    /// The state after the last change that was sent.
    pub(crate) fn now(&self) -> Option<&Content> {
        self.steps.last().and_then(|step| step.state.as_ref())
    }

    /// Notes a change before it is sent.
    pub(crate) fn sends(&mut self, kind: EventKind, state: Option<Content>, grace: Duration) {
        self.steps.push(Step { kind, state, acknowledged: None, grace });
    }

    /// Notes that the change was acknowledged.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.acknowledged = Some(Instant::now());
        }
    }

    /// Forgets the change that was sent last: the server has refused it.
    pub(crate) fn refused(&mut self) {
        self.steps.pop();
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.steps.last().is_some_and(|step| step.acknowledged.is_none())
    }

    /// Finds the step that the server's state is, and makes it the first. Nothing was acknowledged between the crash and
    /// the reading of that state.
    pub(crate) fn settle(&mut self, found: Option<&Session>, promise: Promise, crash: Instant) -> Settled {
        let kept = self.steps.iter().rposition(|step| promise.covers(step.acknowledged, crash)).unwrap_or(0);
        // A missing session may have ended, or its creation is lost. The later state is tried first.
        let mut matching =
            (kept..self.steps.len()).filter(|step| matches(self.steps[*step].state.as_ref(), found)).rev();
        let (matching, earlier) = (matching.next(), matching.next());
        let finding = if matching.is_none() { Some(self.mismatch(kept, found)) } else { self.check_handle(found) };
        let place = matching.unwrap_or(kept);
        let forgotten = self.steps[place + 1..].iter().filter_map(|step| step.acknowledged);
        let lost_age = forgotten.map(|at| crash.saturating_duration_since(at)).max();
        self.rebase(place);
        self.perhaps_never_made = earlier.is_some();
        if let Some(found) = found {
            self.handle = Some(found.handle.clone());
        }
        Settled { finding, lost_age }
    }

    /// The events that must have told of it, also of what was acknowledged since it was last settled.
    pub(crate) fn events(&self) -> Vec<(EventKind, u64)> {
        let mut events = self.told.clone();
        for step in self.steps.iter().skip(1).filter(|step| step.acknowledged.is_some()) {
            push_event(&mut events, step);
        }
        events
    }

    fn check_handle(&self, found: Option<&Session>) -> Option<Finding> {
        let (known, found) = (self.handle.as_ref()?, &found?.handle);
        (known != found).then(|| Finding::Wrong(format!("{} changed its handle from {known} to {found}", self.tag)))
    }

    fn mismatch(&self, kept: usize, found: Option<&Session>) -> Finding {
        let found_version = found.map(|found| found.version);
        let told = format!(
            "{} (handle {:?}): known {}, possible {}, found {}",
            self.tag,
            self.handle,
            show(self.steps[kept].state.as_ref()),
            self.steps[kept + 1..].iter().map(|step| show(step.state.as_ref())).collect::<Vec<_>>().join(" or "),
            found.map_or("nothing".into(), |found| format!(
                "version {} with {:?}",
                found.version,
                names(&found.attributes)
            )),
        );
        match (self.steps[kept].state.as_ref(), found_version) {
            (Some(_), None) => Finding::Lost(told),
            (Some(known), Some(found)) if found < known.version => Finding::Lost(told),
            (None, Some(_)) if self.handle.is_some() => Finding::Revived(told),
            _ => Finding::Wrong(told),
        }
    }

    fn rebase(&mut self, place: usize) {
        let now = Instant::now();
        let id_of = |step: &Step| step.state.as_ref().and_then(|state| state.id.clone());
        let id = id_of(&self.steps[place]);
        for (number, step) in self.steps.iter().enumerate() {
            let Some(old) = id_of(step).filter(|old| Some(old) != id.as_ref()) else { continue };
            match self.steps.get(number + 1).filter(|_| number < place) {
                // It was the ID for longer.
                Some(next) if id_of(next).as_ref() == Some(&old) => {}
                Some(next) => self.dead_ids.push((old, next.acknowledged.unwrap_or(now) + next.grace)),
                // The change that gave it is not in effect.
                None => self.dead_ids.push((old, now)),
            }
        }
        for step in &self.steps[1..=place] {
            push_event(&mut self.told, step);
        }
        let mut settled = self.steps.swap_remove(place);
        settled.acknowledged = Some(now);
        self.steps = vec![settled];
    }
}

fn push_event(events: &mut Vec<(EventKind, u64)>, step: &Step) {
    // The event of an end shows the state before it.
    let version = step.state.as_ref().map(|state| state.version);
    let version = version.or_else(|| events.last().map(|(_, version)| *version));
    events.push((step.kind, version.unwrap_or_default()));
}

fn matches(state: Option<&Content>, found: Option<&Session>) -> bool {
    match (state, found) {
        (None, None) => true,
        (Some(state), Some(found)) => {
            (state.version, &state.principal, &state.attributes) == (found.version, &found.principal, &found.attributes)
        }
        _ => false,
    }
}

fn show(state: Option<&Content>) -> String {
    state.map_or("nothing".into(), |state| format!("version {} with {:?}", state.version, names(&state.attributes)))
}

/// Attributes in a form that fits a line.
fn names(attributes: &BTreeMap<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = attributes
        .iter()
        .map(|(name, value)| match value.as_i64() {
            Some(number) => format!("{name}={number}"),
            None => name.clone(),
        })
        .collect();
    names.sort();
    names
}
