//! Transactions: they take effect one after the other, each as a whole or not at all.

use crate::conformance::subject::{Subject, cause, record};
use sessiond::engine::{EngineError, Outcome};
use sessiond::model::{EventKind, Record};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

pub(crate) async fn an_abandoned_or_failed_transaction_changes_nothing(subject: Subject) {
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

pub(crate) async fn transactions_see_those_before_them(subject: Subject) {
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
                    let next = Record { version: previous.version + 1, ..Record::clone(&previous) };
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

pub(crate) async fn who_follows_learns_of_every_change(subject: Subject) {
    let records = [record(1).0, record(2).0, record(3).0, record(4).0];
    let before = subject.engine.track_changes();
    for record in &records {
        subject.put(record, None).await;
    }
    assert_eq!(before.few(3), None);
    assert_eq!(before.few(4).unwrap().len(), 4);
    let follower = subject.engine.track_changes();
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
    // Within a transaction, the notes of all earlier ones are there.
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
