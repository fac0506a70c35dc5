//! Index rows: those of the sweeper, of the lists and of chosen IDs.

use crate::conformance::subject::{Subject, cause, record};
use sessiond::clock::Millis;
use sessiond::engine::{Due, Outcome, SessionList};
use sessiond::model::{Credential, EventKind, Handle, Record};

pub(crate) async fn due_rows_come_in_order_and_bounded(subject: Subject) {
    let mut expected = Vec::new();
    for step in 0..20_u64 {
        let (mut record, _) = record(1);
        record.idle_timeout = 1_000 + (step * 7 % 20) * 10;
        subject.put(&record, None).await;
        expected.push(Due { at: 1_000 + record.idle_timeout, handle: record.handle });
    }
    expected.sort();
    let moment = expected[9].at;
    let due = subject.read(|view| view.due(0, moment, 100)).await;
    assert_eq!(due, expected[..10], "a row is due at its millisecond");
    let before = subject.read(|view| view.due(0, moment - 1, 100)).await;
    assert_eq!(before, expected[..9]);
    assert_eq!(subject.read(|view| view.due(0, Millis::MAX, 3)).await, expected[..3]);
    let later = subject.read(|view| view.due(moment, Millis::MAX, 3)).await;
    assert_eq!(later, expected[9..12], "the first millisecond is one of them");
}

pub(crate) async fn a_lookup_row_of_another_session_is_left_alone(subject: Subject) {
    let (first, hash) = record(10);
    let (mut second, _) = record(10);
    second.credentials = [Credential::new(hash, true)].into();
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
    assert_eq!(subject.read(|view| view.handle_of(&hash)).await, Some(second.handle));
}

pub(crate) async fn members_are_listed_newest_first_and_in_pages(mut subject: Subject) {
    let mut expected = Vec::new();
    for step in 0..10_u64 {
        let (mut record, _) = record(1);
        record.handle = Handle::mint(1_000 + step);
        // Every other session belongs to another user, or to another namespace whose name begins the same.
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
    let all = SessionList::of("default", "");
    let handles: Vec<Handle> = expected.iter().map(|(handle, _)| *handle).collect();
    assert_eq!(subject.read(|view| view.members(&all, None, 100)).await, handles);
    assert_eq!(subject.read(|view| view.members(&all, None, 3)).await, handles[..3]);
    assert_eq!(subject.read(|view| view.members(&all, Some(handles[2]), 3)).await, handles[3..6]);
    assert_eq!(subject.read(|view| view.members(&all, handles.last().copied(), 3)).await, []);
    let bobs: Vec<Handle> = expected.iter().filter(|(_, principal)| principal == "bob").map(|(h, _)| *h).collect();
    let bob = SessionList::of("default", "bob");
    assert_eq!(subject.read(|view| view.members(&bob, None, 100)).await, bobs);
}

pub(crate) async fn a_changed_principal_moves_the_member(subject: Subject) {
    let (record, _) = record(1);
    let members = async |principal: &str| {
        let group = SessionList::of("default", principal);
        subject.read(|view| view.members(&group, None, 10)).await
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
