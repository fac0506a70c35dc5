//! Records: whole, replaced, removed, large, and read while they change.

use crate::conformance::subject::{Subject, attributes, cause, record};
use sessiond::engine::{Draft, Due, Outcome};
use sessiond::model::{Credential, EventKind, IdHash, Record, SessionId};
use std::sync::{Arc, Mutex};

pub(crate) async fn a_record_is_stored_with_its_rows(mut subject: Subject) {
    let (record, hash) = record(100);
    subject.put(&record, None).await;
    for _ in 0..2 {
        let stored = subject.record(record.handle).await.unwrap();
        assert_eq!(stored, Record { revision: 1, sweep_at: 61_000, ..record.clone() });
        assert_eq!(subject.read(|view| view.handle_of(&hash)).await, Some(record.handle));
        assert_eq!(subject.due().await, [Due { at: 61_000, handle: record.handle }]);
        subject.reopen().await;
    }
}

pub(crate) async fn replacing_a_record_moves_its_rows(mut subject: Subject) {
    let (first, first_hash) = record(10);
    subject.put(&first, None).await;
    let first = subject.record(first.handle).await.unwrap();

    // The record gets another chosen ID and a later end. The sweeper's row may stay where it is.
    let second_hash = IdHash::of("default", &SessionId::mint(first.handle));
    let mut second = Record { accessed: 5_000, ..first.clone() };
    second.credentials = [Credential::new(second_hash, true)].into();
    subject.put(&second, Some(&first)).await;
    let second = subject.record(first.handle).await.unwrap();
    assert_eq!((second.revision, second.sweep_at), (2, 61_000));
    assert_eq!(subject.read(|view| view.handle_of(&first_hash)).await, None);
    assert_eq!(subject.read(|view| view.handle_of(&second_hash)).await, Some(first.handle));

    // An earlier end must move the row. A reschedule also moves it to a later end.
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

pub(crate) async fn removing_a_record_removes_its_rows(mut subject: Subject) {
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
        assert_eq!(subject.read(|view| view.handle_of(&hash)).await, None);
        assert_eq!(subject.read(|view| view.touched(handle)).await, None);
        assert_eq!(subject.due().await, []);
        subject.reopen().await;
    }
}

pub(crate) async fn touches_are_kept_beside_the_record(mut subject: Subject) {
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
    assert_eq!(subject.read(|view| view.touched(handle)).await, Some(7_000));
    assert_eq!(subject.record(handle).await.unwrap().accessed, 1_000);
}

pub(crate) async fn large_records_survive_growth_shrinking_and_removal(mut subject: Subject) {
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

pub(crate) async fn readers_never_see_a_torn_record(subject: Subject) {
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
