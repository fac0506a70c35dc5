//! The conformance suite that every engine passes: what the trait promises, on each implementation.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use sessiond::clock::Millis;
use sessiond::engine::sled::{DataFolder, Durability, SledEngine, SledOptions, WatchdogOptions};
use sessiond::engine::{Cause, Draft, Due, Engine, EngineError, EngineStatus, Group, MemoryEngine, Outcome, View};
use sessiond::model::{Attribute, Attributes, Credential, Event, EventKind, Handle, IdHash, Record, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

/// An engine under test; those on disk can be reopened.
struct Subject {
    engine: Arc<dyn Engine>,
    folder: Option<tempfile::TempDir>,
}

impl Subject {
    fn memory() -> Self {
        Self { engine: Arc::new(MemoryEngine::default()), folder: None }
    }

    fn sled() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { engine: open_sled(folder.path(), 0), folder: Some(folder) }
    }

    async fn reopen(&mut self) {
        let Some(folder) = &self.folder else { return };
        self.engine.close().await.unwrap();
        self.engine = Arc::new(MemoryEngine::default());
        self.engine = open_sled(folder.path(), 0);
    }

    async fn read<T: Send>(&self, mut read: impl FnMut(&dyn View) -> T + Send) -> T {
        let mut found = None;
        self.engine
            .read(Box::new(|view| {
                found = Some(read(view));
                Ok(())
            }))
            .await
            .unwrap();
        found.unwrap()
    }

    async fn commit(
        &self,
        change: impl FnMut(&mut Draft<'_>) -> Result<Outcome, EngineError> + Send + 'static,
    ) -> Result<(), EngineError> {
        self.engine.commit(Box::new(change)).await
    }

    async fn put(&self, record: &Record, previous: Option<&Record>) {
        let (record, previous) = (record.clone(), previous.cloned());
        self.commit(move |draft| {
            draft.put(record.clone(), previous.as_ref(), Some(cause(EventKind::Updated)))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    }

    async fn record(&self, handle: Handle) -> Option<Record> {
        self.read(|view| view.record(handle).unwrap()).await
    }

    async fn due(&self) -> Vec<Due> {
        self.read(|view| view.due(Millis::MAX, 1_000).unwrap()).await
    }
}

fn open_sled(folder: &Path, min_free_bytes: u64) -> Arc<dyn Engine> {
    let options = SledOptions {
        cache_bytes: 32 << 20,
        durability: Durability::Always,
        watchdog: WatchdogOptions { min_free_bytes, stall_timeout: Duration::from_secs(30) },
    };
    Arc::new(SledEngine::open(DataFolder::claim(folder).unwrap(), &options).unwrap())
}

fn cause(kind: EventKind) -> Cause {
    Cause { kind, time: 1_500, keep_attributes: kind == EventKind::Deleted }
}

fn record(attribute_bytes: usize) -> (Record, IdHash) {
    let handle = Handle::mint(1_000);
    let hash = IdHash::of("default", &SessionId::mint(handle));
    let record = Record {
        handle,
        namespace: "default".into(),
        version: 1,
        revision: 0,
        created: 1_000,
        updated: 1_000,
        accessed: 1_000,
        idle_timeout: 60_000,
        ends_at: None,
        credentials: vec![Credential::new(hash, true)],
        tickets: Vec::new(),
        principal: "ada".into(),
        labels: BTreeMap::from([("device".into(), "laptop".into())]),
        attributes: attributes(attribute_bytes),
        sweep_at: 0,
    };
    (record, hash)
}

fn attributes(bytes: usize) -> Attributes {
    let text = "x".repeat(bytes);
    let mut value = vec![0x2a];
    prost::encoding::encode_varint(bytes as u64, &mut value);
    value.extend(text.as_bytes());
    let mut entry = vec![0x0a, 1, b'a', 0x12];
    prost::encoding::encode_varint(value.len() as u64, &mut entry);
    entry.extend(value);
    Attributes::from_iter([Attribute::from_wire(&entry).unwrap()])
}

/// Makes one test of each case for each engine.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case(super::Subject::memory()).await; })*
        }
        mod sled {
            $(#[tokio::test] async fn $case() { super::$case(super::Subject::sled()).await; })*
        }
    };
}

conformance![
    a_record_is_stored_with_its_rows,
    replacing_a_record_moves_its_rows,
    removing_a_record_removes_its_rows,
    an_abandoned_or_failed_transaction_changes_nothing,
    transactions_see_those_before_them,
    due_rows_come_in_order_and_bounded,
    touches_are_kept_beside_the_record,
    a_lookup_row_of_another_session_is_left_alone,
    large_records_survive_growth_shrinking_and_removal,
    readers_never_see_a_torn_record,
    members_are_listed_newest_first_and_in_pages,
    a_changed_principal_moves_the_member,
    events_are_numbered_and_kept_until_dropped,
    statistics_follow_the_records,
    a_restored_record_keeps_its_numbers,
    restoring_again_replaces_all_rows,
    restored_events_keep_their_numbers,
    who_follows_learns_of_every_change,
];

async fn a_record_is_stored_with_its_rows(mut subject: Subject) {
    let (record, hash) = record(100);
    subject.put(&record, None).await;
    for _ in 0..2 {
        let stored = subject.record(record.handle).await.unwrap();
        assert_eq!(stored, Record { revision: 1, sweep_at: 61_000, ..record.clone() });
        assert_eq!(subject.read(|view| view.handle_of(&hash).unwrap()).await, Some(record.handle));
        assert_eq!(subject.due().await, [Due { at: 61_000, handle: record.handle }]);
        subject.reopen().await;
    }
}

async fn replacing_a_record_moves_its_rows(mut subject: Subject) {
    let (first, first_hash) = record(10);
    subject.put(&first, None).await;
    let first = subject.record(first.handle).await.unwrap();

    // Another chosen ID, and a later end: the sweeper's row may stay where it is.
    let second_hash = IdHash::of("default", &SessionId::mint(first.handle));
    let mut second = Record { accessed: 5_000, ..first.clone() };
    second.credentials = vec![Credential::new(second_hash, true)];
    subject.put(&second, Some(&first)).await;
    let second = subject.record(first.handle).await.unwrap();
    assert_eq!((second.revision, second.sweep_at), (2, 61_000));
    assert_eq!(subject.read(|view| view.handle_of(&first_hash).unwrap()).await, None);
    assert_eq!(subject.read(|view| view.handle_of(&second_hash).unwrap()).await, Some(first.handle));

    // An earlier end must move it; asking for it moves it to a later one too.
    let earlier = Record { idle_timeout: 1_000, ..second.clone() };
    subject.put(&earlier, Some(&second)).await;
    assert_eq!(subject.due().await, [Due { at: 6_000, handle: first.handle }]);
    let earlier = subject.record(first.handle).await.unwrap();
    let mut later = Record { idle_timeout: 9_000, ..earlier.clone() };
    Draft::reschedule(&mut later);
    subject.put(&later, Some(&earlier)).await;
    subject.reopen().await;
    assert_eq!(subject.due().await, [Due { at: 14_000, handle: first.handle }]);
}

async fn removing_a_record_removes_its_rows(mut subject: Subject) {
    let (record, hash) = record(10);
    let handle = record.handle;
    subject.put(&record, None).await;
    let stored = subject.record(handle).await.unwrap();
    subject
        .commit(move |draft| {
            draft.touch(handle, 2_000);
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject
        .commit(move |draft| {
            draft.remove(&stored, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(subject.record(handle).await, None);
        assert_eq!(subject.read(|view| view.handle_of(&hash).unwrap()).await, None);
        assert_eq!(subject.read(|view| view.touched(handle).unwrap()).await, None);
        assert_eq!(subject.due().await, []);
        subject.reopen().await;
    }
}

async fn an_abandoned_or_failed_transaction_changes_nothing(subject: Subject) {
    let (record, _) = record(10);
    let handle = record.handle;
    for fail in [false, true] {
        let record = record.clone();
        let result = subject
            .commit(move |draft| {
                draft.put(record.clone(), None, Some(cause(EventKind::Created)))?;
                if fail { Err(EngineError::Corrupt("on purpose".into())) } else { Ok(Outcome::Abandon) }
            })
            .await;
        assert_eq!(result.is_err(), fail);
        assert_eq!(subject.record(handle).await, None);
        assert_eq!(subject.due().await, []);
    }
}

async fn transactions_see_those_before_them(subject: Subject) {
    let (record, _) = record(10);
    let handle = record.handle;
    subject.put(&record, None).await;
    let mut waiting = tokio::task::JoinSet::new();
    let subject = Arc::new(subject);
    for _ in 0..200 {
        let subject = Arc::clone(&subject);
        waiting.spawn(async move {
            subject
                .commit(move |draft| {
                    let previous = draft.view().record(handle)?.unwrap();
                    let next = Record { version: previous.version + 1, ..previous.clone() };
                    draft.put(next, Some(&previous), None)?;
                    Ok(Outcome::Commit)
                })
                .await
                .unwrap();
        });
    }
    waiting.join_all().await;
    let stored = subject.record(handle).await.unwrap();
    assert_eq!((stored.version, stored.revision), (201, 201));
}

async fn due_rows_come_in_order_and_bounded(subject: Subject) {
    let mut expected = Vec::new();
    for step in 0..20_u64 {
        let (mut record, _) = record(1);
        record.idle_timeout = 1_000 + (step * 7 % 20) * 10;
        subject.put(&record, None).await;
        expected.push(Due { at: 1_000 + record.idle_timeout, handle: record.handle });
    }
    expected.sort();
    let moment = expected[9].at;
    let due = subject.read(|view| view.due(moment, 100).unwrap()).await;
    assert_eq!(due, expected[..10], "a row is due at its millisecond");
    let before = subject.read(|view| view.due(moment - 1, 100).unwrap()).await;
    assert_eq!(before, expected[..9]);
    assert_eq!(subject.read(|view| view.due(Millis::MAX, 3).unwrap()).await, expected[..3]);
}

async fn touches_are_kept_beside_the_record(mut subject: Subject) {
    let (record, _) = record(10);
    let handle = record.handle;
    subject.put(&record, None).await;
    subject
        .commit(move |draft| {
            draft.touch(handle, 7_000);
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject.reopen().await;
    assert_eq!(subject.read(|view| view.touched(handle).unwrap()).await, Some(7_000));
    assert_eq!(subject.record(handle).await.unwrap().accessed, 1_000);
}

async fn a_lookup_row_of_another_session_is_left_alone(subject: Subject) {
    let (first, hash) = record(10);
    let (mut second, _) = record(10);
    second.credentials = vec![Credential::new(hash, true)];
    subject.put(&first, None).await;
    subject.put(&second, None).await;
    let first = subject.record(first.handle).await.unwrap();
    subject
        .commit(move |draft| {
            draft.remove(&first, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    assert_eq!(subject.read(|view| view.handle_of(&hash).unwrap()).await, Some(second.handle));
}

async fn large_records_survive_growth_shrinking_and_removal(mut subject: Subject) {
    let (mut current, _) = record(10);
    let handle = current.handle;
    let mut previous = None;
    for bytes in [10, 30_000, 500_000, 20_480, 3_000_000, 100, 50_000] {
        current.attributes = attributes(bytes);
        subject.put(&current, previous.as_ref()).await;
        subject.reopen().await;
        current = subject.record(handle).await.unwrap();
        assert_eq!(current.attributes, attributes(bytes), "{bytes} bytes");
        previous = Some(current.clone());
    }
    subject
        .commit(move |draft| {
            draft.remove(&current, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject.reopen().await;
    assert_eq!(subject.record(handle).await, None);
}

async fn readers_never_see_a_torn_record(subject: Subject) {
    let (mut current, _) = record(60_000);
    let handle = current.handle;
    subject.put(&current, None).await;
    let subject = Arc::new(subject);
    let done = Arc::new(Mutex::new(false));
    let reader = {
        let (subject, done) = (Arc::clone(&subject), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut reads = 0;
            while !*done.lock().unwrap() || reads == 0 {
                let seen = runtime.block_on(subject.record(handle)).unwrap();
                // The writer keeps the size and the version in step.
                assert_eq!(seen.attributes, attributes(60_000 + usize::try_from(seen.version - 1).unwrap()));
                reads += 1;
            }
        })
    };
    for step in 1..200 {
        let previous = subject.record(handle).await.unwrap();
        current = Record { version: previous.version + 1, attributes: attributes(60_000 + step), ..previous.clone() };
        subject.put(&current, Some(&previous)).await;
    }
    *done.lock().unwrap() = true;
    reader.await.unwrap();
}

async fn members_are_listed_newest_first_and_in_pages(mut subject: Subject) {
    let mut expected = Vec::new();
    for step in 0..10_u64 {
        let (mut record, _) = record(1);
        record.handle = Handle::mint(1_000 + step);
        // Every other one is another user's, or of another namespace whose name begins alike.
        if step % 2 == 1 {
            record.principal = "bob".into();
        }
        if step % 5 == 4 {
            record.namespace = "default2".into();
        }
        subject.put(&record, None).await;
        if step % 5 != 4 {
            expected.insert(0, (record.handle, record.principal));
        }
    }
    subject.reopen().await;
    let all = Group::of("default", "");
    let handles: Vec<Handle> = expected.iter().map(|(handle, _)| *handle).collect();
    assert_eq!(subject.read(|view| view.members(&all, None, 100).unwrap()).await, handles);
    assert_eq!(subject.read(|view| view.members(&all, None, 3).unwrap()).await, handles[..3]);
    assert_eq!(subject.read(|view| view.members(&all, Some(handles[2]), 3).unwrap()).await, handles[3..6]);
    assert_eq!(subject.read(|view| view.members(&all, handles.last().copied(), 3).unwrap()).await, []);
    let bobs: Vec<Handle> = expected.iter().filter(|(_, principal)| principal == "bob").map(|(h, _)| *h).collect();
    let bob = Group::of("default", "bob");
    assert_eq!(subject.read(|view| view.members(&bob, None, 100).unwrap()).await, bobs);
}

async fn a_changed_principal_moves_the_member(subject: Subject) {
    let (record, _) = record(1);
    let members = async |principal: &str| {
        let group = Group::of("default", principal);
        subject.read(|view| view.members(&group, None, 10).unwrap()).await
    };
    subject.put(&record, None).await;
    assert_eq!(members("ada").await, [record.handle]);
    let mut current = subject.record(record.handle).await.unwrap();
    for (principal, other) in [("bob", "ada"), ("", "bob"), ("ada", "bob")] {
        let next = Record { principal: principal.into(), ..current.clone() };
        subject.put(&next, Some(&current)).await;
        current = subject.record(record.handle).await.unwrap();
        // The empty principal stands for the whole namespace.
        assert_eq!(members(principal).await, [record.handle]);
        assert_eq!(members(other).await, []);
    }
}

async fn events_are_numbered_and_kept_until_dropped(mut subject: Subject) {
    let last_event = subject.engine.last_event();
    let (first, _) = record(10);
    subject.put(&first, None).await;
    let first = subject.record(first.handle).await.unwrap();
    let removed = first.clone();
    subject
        .commit(move |draft| {
            draft.remove(&removed, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    let events = subject.read(|view| view.events(0, 10).unwrap()).await;
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Updated, EventKind::Deleted]);
    assert!(events[0].sequence < events[1].sequence);
    assert_eq!(*last_event.borrow(), events[1].sequence);
    assert_eq!(events[1].record.attributes, first.attributes, "kept, as the cause says");
    assert!(events[0].record.attributes.is_empty());
    assert!(events.iter().all(|event| event.record.credentials.is_empty()), "an event holds no secret");

    // Numbers never begin again.
    subject.reopen().await;
    assert_eq!(subject.read(|view| view.events(0, 10).unwrap()).await, events);
    let (third, _) = record(10);
    subject.put(&third, None).await;
    let after = subject.read(|view| view.events(events[1].sequence, 10).unwrap()).await;
    assert_eq!(after.len(), 1);

    let through = events[1].sequence;
    subject
        .commit(move |draft| {
            draft.drop_events(through);
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject.reopen().await;
    assert_eq!(subject.read(|view| view.events(0, 10).unwrap()).await, after);
    assert_eq!(subject.read(|view| view.events_dropped_through().unwrap()).await, through);
}

async fn statistics_follow_the_records(mut subject: Subject) {
    let mut records = Vec::new();
    for namespace in ["a", "a", "b"] {
        let (mut record, _) = record(10);
        record.namespace = namespace.into();
        subject.put(&record, None).await;
        records.push(subject.record(record.handle).await.unwrap());
    }
    subject.reopen().await;
    assert_eq!(subject.engine.statistics().sessions, BTreeMap::from([("a".into(), 2), ("b".into(), 1)]));
    let ended = records.remove(2);
    subject
        .commit(move |draft| {
            draft.remove(&ended, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    let statistics = subject.engine.statistics();
    assert_eq!(statistics.sessions, BTreeMap::from([("a".into(), 2)]));
    assert_eq!(statistics.events, 4);
    assert!(statistics.groups >= 1);
}

#[tokio::test]
async fn sled_refuses_to_grow_while_space_is_low_but_removes() {
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = record(10);
    let handle = record.handle;
    let mut subject = Subject { engine: open_sled(folder.path(), 0), folder: Some(folder) };
    subject.put(&record, None).await;
    let stored = subject.record(handle).await.unwrap();

    // No disk has so much free space.
    subject.engine.close().await.unwrap();
    subject.engine = Arc::new(MemoryEngine::default());
    subject.engine = open_sled(subject.folder.as_ref().unwrap().path(), u64::MAX / 2);
    let mut status = subject.engine.status();
    status.wait_for(|status| *status == EngineStatus::LowSpace).await.unwrap();

    let again = stored.clone();
    let refused = subject
        .commit(move |draft| {
            draft.put(again.clone(), Some(&again), None)?;
            Ok(Outcome::Commit)
        })
        .await;
    assert!(matches!(refused, Err(EngineError::StorageFull)), "{refused:?}");
    let again = stored.clone();
    subject
        .commit(move |draft| {
            // The sweeper must not be held up by the sessions that it has to look at again.
            draft.clean_up();
            draft.put(again.clone(), Some(&again), None)?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    let stored = subject.record(handle).await.unwrap();
    subject
        .commit(move |draft| {
            draft.remove(&stored, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    assert_eq!(subject.record(handle).await, None);
}

#[tokio::test]
async fn sled_writes_no_blob_files() {
    let subject = Subject::sled();
    for _ in 0..64 {
        let (record, _) = record(19_000);
        subject.put(&record, None).await;
        // Its last event would keep the attributes, but is too large for one row.
        let (record, _) = self::record(250_000);
        subject.put(&record, None).await;
        let stored = subject.record(record.handle).await.unwrap();
        subject
            .commit(move |draft| {
                draft.remove(&stored, cause(EventKind::Deleted))?;
                Ok(Outcome::Commit)
            })
            .await
            .unwrap();
    }
    let blobs = subject.folder.as_ref().unwrap().path().join("sled/blobs");
    let files = std::fs::read_dir(blobs).map_or(0, Iterator::count);
    assert_eq!(files, 0);
}

#[tokio::test]
async fn a_closed_engine_accepts_nothing() {
    let subject = Subject::sled();
    subject.engine.close().await.unwrap();
    let refused = subject.commit(|_| Ok(Outcome::Commit)).await;
    assert!(matches!(refused, Err(EngineError::Stopped)), "{refused:?}");
}

impl Subject {
    async fn restore(&self, record: &Record, lookups: &[IdHash]) {
        let (record, lookups) = (record.clone(), lookups.to_vec());
        self.commit(move |draft| {
            draft.restore(record.clone(), &lookups)?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    }

    async fn members(&self, principal: &str) -> Vec<Handle> {
        self.read(|view| view.members(&Group::of("default", principal), None, 10).unwrap()).await
    }
}

async fn a_restored_record_keeps_its_numbers(mut subject: Subject) {
    let (first, first_hash) = record(100);
    let first = Record { version: 7, revision: 9, accessed: 5_000, sweep_at: 1, ..first };
    // One in parts, and one whose chosen ID leads elsewhere.
    let (second, second_hash) = record(100_000);
    let second = Record { version: 3, revision: 4, principal: String::new(), ..second };
    subject.restore(&first, &[first_hash]).await;
    subject.restore(&second, &[]).await;
    for _ in 0..2 {
        assert_eq!(subject.record(first.handle).await, Some(Record { sweep_at: 65_000, ..first.clone() }));
        assert_eq!(subject.record(second.handle).await, Some(Record { sweep_at: 61_000, ..second.clone() }));
        let found = subject.read(|view| [first_hash, second_hash].map(|hash| view.handle_of(&hash).unwrap())).await;
        assert_eq!(found, [Some(first.handle), None]);
        assert_eq!(subject.members("ada").await, [first.handle]);
        let handles = subject.read(|view| view.handles(None, 10).unwrap()).await;
        assert_eq!(handles.len(), 2);
        assert_eq!(subject.read(|view| view.handles(Some(handles[0]), 10).unwrap()).await, handles[1..]);
        assert_eq!(subject.read(|view| view.handles(None, 1).unwrap()).await, handles[..1]);
        let counts = subject.read(|view| view.counts()).await;
        assert_eq!((counts.sessions, counts.events), (2, 0));
        assert!(subject.read(|view| view.events(0, 10).unwrap()).await.is_empty());
        subject.reopen().await;
    }
    // What changes from here on counts on.
    let stored = subject.record(first.handle).await.unwrap();
    subject.put(&stored, Some(&stored)).await;
    assert_eq!(subject.record(first.handle).await.unwrap().revision, 10);
}

async fn restoring_again_replaces_all_rows(mut subject: Subject) {
    let (first, hash) = record(100_000);
    let first = Record { revision: 4, ..first };
    subject.restore(&first, &[hash]).await;
    // Of the same revision: only a touch came between.
    let touched = Record { accessed: 9_000, sweep_at: 69_000, ..first.clone() };
    subject.restore(&touched, &[hash]).await;
    assert_eq!(subject.record(first.handle).await, Some(touched.clone()));
    let moved = Record { revision: 5, principal: "bob".into(), attributes: attributes(10), ..touched.clone() };
    subject.restore(&moved, &[]).await;
    for _ in 0..2 {
        assert_eq!(subject.record(first.handle).await, Some(moved.clone()));
        assert_eq!(subject.due().await, [Due { at: 69_000, handle: first.handle }]);
        assert_eq!(subject.read(|view| view.handle_of(&hash).unwrap()).await, None);
        assert_eq!((subject.members("ada").await, subject.members("bob").await), (vec![], vec![first.handle]));
        assert_eq!(subject.engine.statistics().sessions, BTreeMap::from([("default".into(), 1)]));
        subject.reopen().await;
    }
    let handle = first.handle;
    for _ in 0..2 {
        // Also where nothing is.
        let absent = subject.commit(move |draft| draft.restore_absence(handle).map(|()| Outcome::Commit));
        absent.await.unwrap();
        assert_eq!(
            (subject.record(handle).await, subject.due().await, subject.members("").await),
            (None, vec![], vec![])
        );
    }
}

async fn restored_events_keep_their_numbers(mut subject: Subject) {
    let (record, hash) = record(10);
    subject.restore(&record, &[hash]).await;
    let event = |sequence| Event { sequence, transaction: 40, ..Event::new(EventKind::Updated, 1_500, &record, true) };
    let events = [41, 43, 47].map(event);
    let restored = events.clone();
    subject
        .commit(move |draft| {
            for event in &restored {
                draft.restore_event(event.clone());
            }
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject
        .commit(|draft| {
            draft.drop_events(41);
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(subject.read(|view| view.events(0, 10).unwrap()).await, events[1..]);
        assert_eq!(subject.read(|view| view.events_dropped_through().unwrap()).await, 41);
        assert_eq!(subject.engine.statistics().events, 2);
        assert!(*subject.engine.last_event().borrow() >= 47);
        subject.reopen().await;
    }
    let stored = subject.record(record.handle).await.unwrap();
    subject.put(&stored, Some(&stored)).await;
    let next = subject.read(|view| view.events(47, 10).unwrap()).await;
    assert!(next.len() == 1 && next[0].sequence > 47, "{next:?}");
}

async fn who_follows_learns_of_every_change(subject: Subject) {
    let records = [record(1).0, record(2).0, record(3).0, record(4).0];
    let before = subject.engine.follow_changes();
    for record in &records {
        subject.put(record, None).await;
    }
    assert_eq!(before.few(3), None);
    assert_eq!(before.few(4).unwrap().len(), 4);
    let follower = subject.engine.follow_changes();
    let [changed, touched, removed, _] = &records;
    let stored = subject.record(changed.handle).await.unwrap();
    subject.put(&stored, Some(&stored)).await;
    let (handle, gone) = (touched.handle, subject.record(removed.handle).await.unwrap());
    subject
        .commit(move |draft| {
            draft.touch(handle, 2_000);
            draft.remove(&gone, cause(EventKind::Deleted))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    subject
        .commit(move |draft| {
            draft.touch(handle, 3_000);
            Ok(Outcome::Abandon)
        })
        .await
        .unwrap();
    let handles = BTreeSet::from([changed.handle, touched.handle, removed.handle]);
    // Within a transaction the notes of all those before are there.
    let (seen, within) = (Arc::new(Mutex::new(None)), follower.clone());
    let noted = Arc::clone(&seen);
    subject
        .commit(move |_| {
            *noted.lock().unwrap() = within.few(10);
            Ok(Outcome::Abandon)
        })
        .await
        .unwrap();
    assert_eq!(seen.lock().unwrap().take().unwrap(), handles.iter().copied().collect::<Vec<_>>());
    assert_eq!((follower.take(), follower.take()), (handles, BTreeSet::new()));
    assert_eq!(before.take().len(), 4, "each follower has notes of its own");
}
