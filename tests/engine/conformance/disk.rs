//! Duties that only the engine on disk has.

use crate::conformance::subject::{Subject, cause, open_sled, record};
use sessiond::engine::{EngineError, EngineStatus, MemoryEngine, Outcome};
use sessiond::model::EventKind;
use std::sync::Arc;

#[tokio::test]
async fn sled_refuses_to_grow_while_space_is_low_but_removes() {
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = record(10);
    let handle = record.handle;
    let mut subject = Subject { engine: open_sled(folder.path(), 0), folder: Some(folder), keys: None };
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
            // Sessions that the sweeper must look at again must not delay it.
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
