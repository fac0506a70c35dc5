//! Restoring what was saved from another engine.

use crate::conformance::subject::{Subject, attributes, record};
use sessiond::engine::{Due, Outcome};
use sessiond::model::{Event, EventKind, Record};
use std::collections::BTreeMap;

pub(crate) async fn a_restored_record_keeps_its_numbers(mut subject: Subject) {
    let (first, first_hash) = record(100);
    let first = Record { version: 7, revision: 9, accessed: 5_000, sweep_at: 1, ..first };
    // One record is in parts, and the chosen ID of another leads elsewhere.
    let (second, second_hash) = record(100_000);
    let second = Record { version: 3, revision: 4, principal: "".into(), ..second };
    subject.restore(&first, &[first_hash]).await;
    subject.restore(&second, &[]).await;
    for _ in 0..2 {
        assert_eq!(subject.record(first.handle).await, Some(Record { sweep_at: 65_000, ..first.clone() }));
        assert_eq!(subject.record(second.handle).await, Some(Record { sweep_at: 61_000, ..second.clone() }));
        let found = subject.read(|view| Ok([view.handle_of(&first_hash)?, view.handle_of(&second_hash)?])).await;
        assert_eq!(found, [Some(first.handle), None]);
        assert_eq!(subject.members("ada").await, [first.handle]);
        let handles = subject.read(|view| view.handles(None, 10)).await;
        assert_eq!(handles.len(), 2);
        assert_eq!(subject.read(|view| view.handles(Some(handles[0]), 10)).await, handles[1..]);
        assert_eq!(subject.read(|view| view.handles(None, 1)).await, handles[..1]);
        let counts = subject.read(|view| Ok(view.counts())).await;
        assert_eq!((counts.sessions, counts.events), (2, 0));
        assert!(subject.read(|view| view.events(0, 10)).await.is_empty());
        subject.reopen().await;
    }
    // A later change counts on from the restored revision.
    let stored = subject.record(first.handle).await.unwrap();
    subject.put(&stored, Some(&stored)).await;
    assert_eq!(subject.record(first.handle).await.unwrap().revision, 10);
}

pub(crate) async fn restoring_again_replaces_all_rows(mut subject: Subject) {
    let (first, hash) = record(100_000);
    let first = Record { revision: 4, ..first };
    subject.restore(&first, &[hash]).await;
    // The revision is the same, because only a touch came between.
    let touched = Record { accessed: 9_000, sweep_at: 69_000, ..first.clone() };
    subject.restore(&touched, &[hash]).await;
    assert_eq!(subject.record(first.handle).await, Some(touched.clone()));
    let moved = Record { revision: 5, principal: "bob".into(), attributes: attributes(10), ..touched.clone() };
    subject.restore(&moved, &[]).await;
    for _ in 0..2 {
        assert_eq!(subject.record(first.handle).await, Some(moved.clone()));
        assert_eq!(subject.due().await, [Due { at: 69_000, handle: first.handle }]);
        assert_eq!(subject.read(|view| view.handle_of(&hash)).await, None);
        assert_eq!((subject.members("ada").await, subject.members("bob").await), (vec![], vec![first.handle]));
        assert_eq!(subject.engine.statistics().sessions, BTreeMap::from([("default".into(), 1)]));
        subject.reopen().await;
    }
    let handle = first.handle;
    for _ in 0..2 {
        // This also works where there is nothing.
        let absent = subject.commit(move |draft| draft.restore_absence(handle).map(|()| Outcome::Commit));
        absent.await.unwrap();
        assert_eq!(
            (subject.record(handle).await, subject.due().await, subject.members("").await),
            (None, vec![], vec![])
        );
    }
}

pub(crate) async fn restored_events_keep_their_numbers(mut subject: Subject) {
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
        assert_eq!(subject.read(|view| view.events(0, 10)).await, events[1..]);
        assert_eq!(subject.read(|view| view.events_dropped_through()).await, 41);
        assert_eq!(subject.engine.statistics().events, 2);
        assert!(*subject.engine.last_event().borrow() >= 47);
        subject.reopen().await;
    }
    let stored = subject.record(record.handle).await.unwrap();
    subject.put(&stored, Some(&stored)).await;
    let next = subject.read(|view| view.events(47, 10)).await;
    assert!(next.len() == 1 && next[0].sequence > 47, "{next:?}");
}
