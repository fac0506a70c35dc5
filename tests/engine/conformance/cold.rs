//! Cold reads: what is not in memory is found as well, and only the caller that asked waits for it.

use crate::conformance::subject::{Subject, cause, record};
use sessiond::engine::{EngineError, EngineFuture, Expected, Outcome, SessionList, View};
use sessiond::model::{EventKind, Handle, IdHash, Record};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

const SESSIONS: usize = 40;

/// Puts sessions, of which every third is large, and makes the engine forget what it has in memory.
async fn cold(subject: &mut Subject) -> Vec<(Handle, IdHash)> {
    let mut made = Vec::new();
    for number in 0..SESSIONS {
        let (record, hash) = record(if number % 3 == 0 { 60_000 } else { 100 });
        subject.put(&record, None).await;
        made.push((record.handle, hash));
    }
    subject.reopen().await;
    made
}

/// Whether a future is not done yet, after one poll.
async fn is_pending<F: Future>(future: &mut Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Reads a session through everything that leads to it.
fn look(view: &dyn View, handle: Handle, hash: &IdHash) -> Result<(), EngineError> {
    assert_eq!(view.handle_of(hash)?, Some(handle));
    assert_eq!(view.touched(handle)?, None);
    assert!(view.has_member(&SessionList::of("default", "ada"), handle)?);
    assert_eq!(view.record(handle)?.map(|record| record.handle), Some(handle));
    Ok(())
}

pub(crate) async fn what_is_not_in_memory_is_found(mut subject: Subject) {
    let made = cold(&mut subject).await;
    for named in [false, true] {
        let handles: Vec<Handle> = made.iter().map(|(handle, _)| *handle).collect();
        let looked = |view: &dyn View| {
            if named {
                view.expect(Expected::IndexRows(&handles))?;
            }
            made.iter().try_for_each(|(handle, hash)| look(view, *handle, hash))?;
            let unknown = Handle::mint(7);
            assert_eq!((view.record(unknown)?, view.touched(unknown)?), (None, None));
            assert_eq!(view.members(&SessionList::of("default", "ada"), None, 100)?.len(), SESSIONS);
            assert_eq!(view.handles(None, 100)?.len(), SESSIONS);
            assert_eq!(view.due(0, u64::MAX, 100)?.len(), SESSIONS);
            assert_eq!((view.events(0, 100)?.len(), view.sequence_gaps()?.len()), (SESSIONS, 0));
            Ok(())
        };
        subject.engine.read(&mut |view| looked(view)).await.unwrap();
        subject.reopen().await;
        subject.commit(|draft| looked(draft.view()).map(|()| Outcome::Abandon)).await.unwrap();
        subject.reopen().await;
    }
}

pub(crate) async fn what_is_not_in_memory_is_changed(mut subject: Subject) {
    let made = cold(&mut subject).await;
    let (changed, removed) = made.split_at(SESSIONS / 2);
    subject
        .commit(|draft| {
            for (handle, _) in changed {
                let stored = draft.view().record(*handle)?.unwrap();
                let next = Record { version: 9, ..Record::clone(&stored) };
                draft.put(next, Some(&stored), Some(cause(EventKind::Updated)))?;
            }
            for (handle, _) in removed {
                let stored = draft.view().record(*handle)?.unwrap();
                draft.remove(&stored, cause(EventKind::Deleted))?;
            }
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    for _ in 0..2 {
        for (handle, _) in changed {
            assert_eq!(subject.record(*handle).await.unwrap().version, 9);
        }
        for (handle, hash) in removed {
            assert_eq!(subject.record(*handle).await, None);
            assert_eq!(subject.read(|view| view.handle_of(hash)).await, None);
        }
        assert_eq!(subject.engine.statistics().sessions["default"], changed.len() as u64);
        assert_eq!(subject.engine.statistics().events, 2 * SESSIONS as u64, "each is told of once");
        subject.reopen().await;
    }
}

pub(crate) async fn a_query_does_not_wait_until_changes_are_durable(subject: Subject) {
    let (record, _) = record(10);
    let mut transaction = |draft: &mut sessiond::engine::Draft<'_>| {
        draft.put(record.clone(), None, None)?;
        Ok(Outcome::Commit)
    };
    let mut change = pin!(subject.engine.commit(&mut transaction));
    let is_under_way = is_pending(&mut change).await;
    subject.read(|view| view.record(record.handle)).await;
    if is_under_way {
        change.await.unwrap();
    }
    assert!(subject.record(record.handle).await.is_some());
}

#[tokio::test]
async fn sled_is_read_while_the_thread_serves_others() {
    let mut subject = Subject::sled();
    let made = cold(&mut subject).await;
    let runs = AtomicUsize::new(0);
    let mut query = |view: &dyn View| {
        runs.fetch_add(1, Relaxed);
        view.record(made[0].0).map(drop)
    };
    let read = subject.engine.read(&mut query);
    assert!(matches!(read, EngineFuture::UnderWay(_)), "the record is not in memory");
    read.await.unwrap();
    assert_eq!(runs.load(Relaxed), 2);
    let read = subject.engine.read(&mut query);
    assert!(matches!(read, EngineFuture::Done(_)), "the record is in memory by now");
    read.await.unwrap();
    assert_eq!(runs.load(Relaxed), 3);
}

#[tokio::test]
async fn sled_is_read_while_no_lock_is_held() {
    let mut subject = Subject::sled();
    let made = cold(&mut subject).await;
    let runs = AtomicUsize::new(0);
    let mut transaction = |draft: &mut sessiond::engine::Draft<'_>| {
        runs.fetch_add(1, Relaxed);
        let stored = draft.view().record(made[1].0)?.unwrap();
        draft.remove(&stored, cause(EventKind::Deleted))?;
        Ok(Outcome::Commit)
    };
    let change = subject.engine.commit(&mut transaction);
    assert_eq!(runs.load(Relaxed), 1, "the record is not in memory");
    // Another transaction takes effect first, while nobody polls the earlier one.
    let (record, _) = record(10);
    let other = subject.put(&record, None);
    tokio::time::timeout(Duration::from_secs(30), other).await.expect("no lock is held meanwhile");
    change.await.unwrap();
    assert!(runs.load(Relaxed) > 1, "it ran again once the record was loaded");
    assert_eq!(subject.record(made[1].0).await, None);
}
