//! The history of events, and the counts.

use crate::conformance::subject::{Subject, cause, record};
use sessiond::engine::Outcome;
use sessiond::model::EventKind;
use std::collections::BTreeMap;

pub(crate) async fn events_are_numbered_and_kept_until_dropped(mut subject: Subject) {
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
    let events = subject.read(|view| view.events(0, 10)).await;
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Updated, EventKind::Deleted]);
    assert!(events[0].sequence < events[1].sequence);
    assert_eq!(*last_event.borrow(), events[1].sequence);
    assert_eq!(events[1].record.attributes, first.attributes, "kept, as the cause says");
    assert!(events[0].record.attributes.is_empty());
    assert!(events.iter().all(|event| event.record.credentials.is_empty()), "an event holds no secret");

    // Sequence numbers never start over.
    subject.reopen().await;
    assert_eq!(subject.read(|view| view.events(0, 10)).await, events);
    let (third, _) = record(10);
    subject.put(&third, None).await;
    let after = subject.read(|view| view.events(events[1].sequence, 10)).await;
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
    assert_eq!(subject.read(|view| view.events(0, 10)).await, after);
    assert_eq!(subject.read(|view| view.events_dropped_through()).await, through);
}

pub(crate) async fn statistics_follow_the_records(mut subject: Subject) {
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
