//! Saves what can be read of a damaged data folder into a new one. The old folder stays unchanged.

use super::folder::DataFolder;
use super::history;
use super::inspection::{InspectedTable, Inspection};
use super::record::read_record;
use super::recovery::SEQUENCE_JUMP;
use super::sync_watermark::StoredWatermark;
use super::table::Table;
use super::{DurableEngine, DurableOptions};
use crate::clock::Millis;
use crate::encryption::KeyRing;
use crate::engine::codec;
use crate::engine::{Engine, EngineError, Outcome};
use crate::model::{Event, Handle, IdHash, Record};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Memory for the engine that is filled, in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// The number of records written in one transaction.
const BATCH: usize = 256;

/// What a salvage did with the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// The number of saved sessions.
    pub saved: u64,
    /// Sessions that are known to have existed and can't be read.
    pub lost: BTreeSet<Handle>,
    /// Sessions that can be read, but may have changed or ended since. They are saved only if the caller asks for them.
    pub doubtful: BTreeSet<Handle>,
    /// Whether unknown sessions may be lost.
    pub unknown_losses: bool,
}

impl Salvaged {
    /// Whether every session was saved.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.doubtful.is_empty() && !self.unknown_losses
    }
}

/// Saves the sessions of the folder `old` into `new`, which must be empty or absent. With `doubtful`, it also saves
/// sessions that may be older than what was acknowledged, or may have ended since. Encrypted data needs its keys, and with
/// keys the new folder is encrypted.
pub async fn salvage(old: &Path, new: &Path, doubtful: bool, keys: Option<KeyRing>) -> Result<Salvaged, EngineError> {
    let _held = DataFolder::hold(old)?;
    DataFolder::require_new(new)?;
    let inspection = Inspection::of(&old.join("sled"), keys.as_ref())?;
    let evidence = Evidence::read(&inspection)?;
    // The new folder is created last, so that a folder that can't be read leaves none behind.
    let new = DataFolder::claim_new(new)?;
    // If nobody knows any more, there may be some.
    let seals = inspection.may_hold_sealed() || inspection.watermark == StoredWatermark::Damaged;
    let options = DurableOptions { keys, seals, ..DurableOptions::unsynced(CACHE_BYTES) };
    let engine = DurableEngine::open(new, &options)?;
    let result = Salvage { inspection: &inspection, evidence, engine: &engine, take_doubtful: doubtful }.run().await;
    engine.close().await?;
    result
}

struct Salvage<'a> {
    inspection: &'a Inspection,
    evidence: Evidence,
    engine: &'a DurableEngine,
    take_doubtful: bool,
}

impl Salvage<'_> {
    async fn run(self) -> Result<Salvaged, EngineError> {
        let mut salvaged = Salvaged::default();
        let parts = self.all(&self.inspection.table(Table::Parts)?)?;
        let touches: HashMap<Handle, Millis> = self
            .all(&self.inspection.index(Table::Touches)?)?
            .into_iter()
            .filter_map(|(key, row)| Some((Handle::from_slice(&key)?, codec::decode_millis(row.into()).ok()?)))
            .collect();
        let uncertain = self.inspection.is_uncertain();
        let mut saved = BTreeSet::new();
        let mut batch = Vec::new();
        let sessions = self.inspection.table(Table::Sessions)?;
        for rows in self.inspection.rows(&sessions) {
            for (key, row) in rows? {
                let Some(handle) = Handle::from_slice(&key) else { continue };
                let Some(mut record) = read_record(handle, row, &parts) else {
                    salvaged.lost.insert(handle);
                    continue;
                };
                let is_certain = !uncertain || self.inspection.is_in_whole_redo_log(Table::Sessions, &key);
                match self.evidence.judge(&record, is_certain) {
                    Verdict::Ended => continue,
                    Verdict::Outdated => drop(salvaged.lost.insert(handle)),
                    Verdict::Doubtful => drop(salvaged.doubtful.insert(handle)),
                    Verdict::Right => {}
                }
                if salvaged.lost.contains(&handle) || (salvaged.doubtful.contains(&handle) && !self.take_doubtful) {
                    continue;
                }
                record.accessed = record.accessed.max(touches.get(&handle).copied().unwrap_or(0));
                saved.insert(handle);
                batch.push(record);
            }
            if batch.len() >= BATCH {
                self.restore(std::mem::take(&mut batch)).await?;
            }
        }
        self.restore(batch).await?;
        let known = self.known_handles()?;
        let missing = known.difference(&saved).filter(|handle| !salvaged.doubtful.contains(handle));
        salvaged.lost.extend(missing.filter(|handle| !self.evidence.has_ended(**handle)).copied());
        salvaged.saved = saved.len() as u64;
        salvaged.unknown_losses = uncertain || (sessions.missing_ranges() > 0 && self.missing_ranges()? > 0);
        // A watcher of the old folder is told that events are missing.
        let last = self.evidence.last;
        self.engine
            .commit(&mut |draft| {
                draft.drop_events(last);
                Ok(Outcome::Commit)
            })
            .await?;
        Ok(salvaged)
    }

    async fn restore(&self, records: Vec<Record>) -> Result<(), EngineError> {
        let mut transaction = |draft: &mut crate::engine::Draft<'_>| {
            for record in &records {
                let chosen = record.credentials.iter().filter(|credential| credential.chosen);
                let lookups: Vec<IdHash> = chosen.map(|credential| credential.hash).collect();
                draft.restore(record.clone(), &lookups)?;
            }
            Ok(Outcome::Commit)
        };
        self.engine.commit(&mut transaction).await
    }

    /// All rows of a table.
    fn all(&self, tree: &InspectedTable) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EngineError> {
        let mut all = BTreeMap::new();
        for rows in self.inspection.rows(tree) {
            all.extend(rows?);
        }
        Ok(all)
    }

    /// The sessions that have a row in a list or in the sweeper's index.
    fn known_handles(&self) -> Result<BTreeSet<Handle>, EngineError> {
        let mut known = BTreeSet::new();
        for table in [Table::Members, Table::Due] {
            let tree = self.inspection.index(table)?;
            for rows in self.inspection.rows(&tree) {
                known.extend(rows?.iter().filter_map(|(key, _)| Handle::from_slice(key.last_chunk::<16>()?)));
            }
        }
        Ok(known)
    }

    fn missing_ranges(&self) -> Result<usize, EngineError> {
        Ok(self.inspection.index(Table::Members)?.missing_ranges())
    }
}

/// What the events tell about the sessions.
struct Evidence {
    /// The newest event of each session: its sequence number, the record's revision, and whether it ended the session.
    newest: HashMap<Handle, (u64, u64, bool)>,
    /// No event is missing from this number on; `None` if the newest events are missing.
    complete_from: Option<u64>,
    /// Whether these events reach back to the server's last start.
    covers_run: bool,
    /// The newest sequence number.
    last: u64,
}

/// What the history says about a record.
enum Verdict {
    Right,
    /// The session has ended.
    Ended,
    /// The record is older than the newest event of the session.
    Outdated,
    /// The session may have changed or ended since.
    Doubtful,
}

impl Evidence {
    fn read(inspection: &Inspection) -> Result<Self, EngineError> {
        let mut evidence = Self { newest: HashMap::new(), complete_from: None, covers_run: false, last: 0 };
        let tree = inspection.index(Table::Events)?;
        let mut run = None;
        let mut previous = 0;
        let mut events = BTreeMap::new();
        for rows in inspection.rows(&tree) {
            for (key, row) in rows? {
                events.extend(history::read(&key, row.into()).unwrap_or_default());
            }
        }
        for (sequence, payload) in events.split_off(&(inspection.events_dropped_through()? + 1)) {
            let Ok(event) = codec::decode_event_payload(sequence, payload) else { continue };
            let Event { kind, record, .. } = event;
            if run.is_none() || sequence != previous + 1 {
                // The sequence numbers jump by [`SEQUENCE_JUMP`] between two runs of the server. An event at any other
                // distance is not the first of its run, or events before it are lost.
                let begins_run = sequence == 1 || previous > 0 && sequence == previous + SEQUENCE_JUMP + 1;
                run = Some((sequence, begins_run));
            }
            previous = sequence;
            evidence.newest.insert(record.handle, (sequence, record.revision, kind.ends_session()));
        }
        evidence.last = previous;
        if let StoredWatermark::Whole(watermark) = inspection.watermark {
            if previous >= watermark.last_event {
                (evidence.complete_from, evidence.covers_run) =
                    run.map_or((None, false), |(from, run)| (Some(from), run));
            }
            evidence.last = previous.max(watermark.last_event);
        }
        Ok(evidence)
    }

    fn has_ended(&self, handle: Handle) -> bool {
        self.newest.get(&handle).is_some_and(|(_, _, ended)| *ended)
    }

    /// Judges a record. A record that is not certain is right only if the events prove it.
    fn judge(&self, record: &Record, is_certain: bool) -> Verdict {
        match self.newest.get(&record.handle) {
            Some((_, _, true)) => Verdict::Ended,
            _ if is_certain => Verdict::Right,
            Some((_, revision, _)) if record.revision < *revision => Verdict::Outdated,
            Some((sequence, ..)) if self.complete_from.is_some_and(|from| *sequence >= from) => Verdict::Right,
            _ if self.covers_run => Verdict::Right,
            _ => Verdict::Doubtful,
        }
    }
}
