//! Tests of what the calls mean, over the wire: data, versions, and identities.

use crate::common::{Server, eventually};
use prost::Message;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange,
    UpdateSessionRequest, Value,
};
use sessiond_client::{Error, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// IDs as the frameworks of axum, Django and Express applications make them.
const CHOSEN: &str = "chosen-by-a-framework";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_what_it_was_made_and_changed_to() {
    let server = Server::start();
    let client = server.client();
    let new = CreateSessionRequest::new().attribute("a", 1).attribute("b", 2).principal("user-1").label("device", "x");
    let created = client.create(new).await.unwrap();
    assert_eq!((created.session.version, created.session.attributes.len()), (1, 0), "answered without attributes");
    let id = created.session_id;

    let change = SessionChange::new().set("c", 3).set("a", "new").remove("b").remove("never there");
    let change = change.set_principal("").set_label("address", "::1").remove_label("device");
    let updated = client.update(&id, change).await.unwrap();
    assert!(!updated.created);
    let session = client.get(&id).await.unwrap().session;
    assert_eq!(session.attributes, BTreeMap::from([("a".into(), "new".into()), ("c".into(), 3.into())]));
    assert_eq!(session.labels, BTreeMap::from([("address".into(), "::1".into())]));
    assert_eq!((session.principal.as_str(), session.version, session.namespace.as_str()), ("", 2, "default"));

    // An update without a change changes nothing. An update that clears replaces all data.
    assert_eq!(client.update(&id, SessionChange::new()).await.unwrap().session.version, 2);
    let replaced = client.update(&id, SessionChange::new().clear().set("d", 4)).await.unwrap();
    assert_eq!(replaced.session.version, 3);
    let session = client.get(&id).await.unwrap().session;
    assert_eq!(session.attributes, BTreeMap::from([("d".into(), 4.into())]));

    assert_eq!(client.delete(&id).await, Ok(true));
    assert_eq!(client.get(&id).await, Err(Error::SessionNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_never_adopted() {
    let server = Server::start();
    let client = server.client();
    let minted = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    assert!(minted.len() >= 40, "an ID has to hold a handle and 192 bits");
    // One ID was never used, and one is that of a deleted session.
    client.delete(&minted).await.unwrap();
    for id in [CHOSEN, &minted] {
        assert_eq!(client.get(id).await, Err(Error::SessionNotFound));
        assert_eq!(client.touch(id).await, Err(Error::SessionNotFound));
        assert_eq!(client.update(id, SessionChange::new().set("a", 1)).await, Err(Error::SessionNotFound));
        assert_eq!(client.rotate(id).await, Err(Error::SessionNotFound));
        assert_eq!(client.delete(id).await, Err(Error::SessionNotFound));
        assert_eq!(client.delete(DeleteSessionRequest::by_id(id).allow_missing()).await, Ok(false));
        assert_eq!(client.get(id).await, Err(Error::SessionNotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_id_is_not_overwritten() {
    let server = Server::start();
    let client = server.client();
    let first = client.create(CreateSessionRequest::new().session_id(CHOSEN).attribute("n", 1)).await.unwrap();
    assert_eq!(first.session_id, CHOSEN);
    let second = CreateSessionRequest::new().session_id(CHOSEN).attribute("n", 2);
    assert_eq!(client.create(second).await, Err(Error::SessionIdTaken));
    let other = client.create(CreateSessionRequest::new()).await.unwrap();
    let onto_it = RotateSessionRequest::new(&other.session_id).new_session_id(CHOSEN);
    assert_eq!(client.rotate(onto_it).await, Err(Error::SessionIdTaken));
    client.get(&other.session_id).await.expect("a refused rotation leaves the old ID alive");
    let session = client.get(CHOSEN).await.unwrap().session;
    assert_eq!((session.handle, &session.attributes["n"]), (first.session.handle, &Value::from(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn upsert_makes_a_session_once() {
    let server = Server::start();
    let client = server.client();
    let upsert = |n: i64| UpdateSessionRequest::new(CHOSEN, SessionChange::new().set("n", n).remove("m")).upsert();
    let first = client.update_with(upsert(1)).await.unwrap();
    assert_eq!((first.created, first.session.version), (true, 1));
    let second = client.update_with(upsert(2)).await.unwrap();
    assert_eq!((second.created, second.session.version), (false, 2));
    assert_eq!(second.session.handle, first.session.handle);
    assert_eq!(client.get(CHOSEN).await.unwrap().session.attributes["n"], Value::from(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn compare_and_set_changes_only_the_expected_version() {
    let server = Server::start();
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let set = |n: i64, version| UpdateSessionRequest::new(&id, SessionChange::new().set("n", n)).if_version(version);
    assert_eq!(client.update_with(set(1, 1)).await.unwrap().session.version, 2);
    for wrong in [0, 1, 3, u64::MAX] {
        let mismatch = Err(Error::VersionMismatch { current: Some(2) });
        assert_eq!(client.update_with(set(2, wrong)).await, mismatch);
        let rotation = RotateSessionRequest::new(&id).if_version(wrong);
        assert_eq!(client.rotate(rotation).await.map(|_| ()), Err(Error::VersionMismatch { current: Some(2) }));
    }
    let status = server.stub().update_session(set(2, 1)).await.unwrap_err();
    assert_eq!((status.code(), crate::common::reason(&status).as_str()), (tonic::Code::Aborted, "VERSION_MISMATCH"));
    assert_eq!(client.get(&id).await.unwrap().session.attributes["n"], Value::from(1));
    client.rotate(RotateSessionRequest::new(&id).if_version(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_read_sends_only_what_is_new() {
    let server = Server::start();
    let client = server.client();
    let id = client.create(CreateSessionRequest::new().attribute("a", 1)).await.unwrap().session_id;
    let read = client.get(GetSessionRequest::new(&id).unless_version(1)).await.unwrap();
    assert!(read.not_modified && read.session.attributes.is_empty());
    assert_eq!(read.session.version, 1);
    for other in [0, 2, u64::MAX] {
        let read = client.get(GetSessionRequest::new(&id).unless_version(other)).await.unwrap();
        assert!(!read.not_modified && read.session.attributes.len() == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_keeps_everything_but_the_id() {
    let server = Server::start();
    let client = server.client();
    let new = CreateSessionRequest::new().attribute("cart", 3).label("device", "x");
    let created =
        client.create(new.timeouts(sessiond_client::proto::Timeouts::new().absolute(Duration::from_secs(600))));
    let created = created.await.unwrap();
    let log_in = SessionChange::new().set_principal("user-42");
    let rotated = client.rotate(RotateSessionRequest::new(&created.session_id).change(log_in)).await.unwrap();
    assert_ne!(rotated.session_id, created.session_id);
    assert_eq!(client.get(&created.session_id).await, Err(Error::SessionNotFound), "the old ID is dead at once");

    let session = client.get(&rotated.session_id).await.unwrap().session;
    assert_eq!(session.handle, created.session.handle);
    assert_eq!(session.create_time, created.session.create_time);
    assert_eq!(session.absolute_expire_time, created.session.absolute_expire_time);
    assert_eq!((session.principal.as_str(), session.version), ("user-42", 2));
    assert_eq!((&session.attributes["cart"], session.labels["device"].as_str()), (&Value::from(3), "x"));

    // The session is rotated to an ID that the caller chooses and back to a minted one. The version stays, because no
    // data changes.
    let chosen = client.rotate(RotateSessionRequest::new(&rotated.session_id).new_session_id(CHOSEN)).await.unwrap();
    assert_eq!((chosen.session_id.as_str(), chosen.session.version), (CHOSEN, 2));
    let minted = client.rotate(CHOSEN).await.unwrap();
    assert_eq!(client.get(CHOSEN).await, Err(Error::SessionNotFound));
    client.create(CreateSessionRequest::new().session_id(CHOSEN)).await.expect("the ID is free again");
    assert_eq!(client.delete(DeleteSessionRequest::by_handle(&session.handle)).await, Ok(true));
    assert_eq!(client.get(&minted.session_id).await, Err(Error::SessionNotFound));
    client.get(CHOSEN).await.expect("another session");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_can_go_to_another_session_and_come_back() {
    let server = Server::start();
    for is_changed_meanwhile in [false, true] {
        let client = server.client();
        let handle = client.create(CreateSessionRequest::new().session_id(CHOSEN)).await.unwrap().session.handle;
        let away = RotateSessionRequest::new(CHOSEN).grace(Duration::from_millis(1));
        let id = client.rotate(away).await.unwrap().session_id;
        eventually("the grace ends", async || client.get(CHOSEN).await.is_err()).await;

        // Its record may still name the ID among those that it gave up.
        let other = client.create(CreateSessionRequest::new().session_id(CHOSEN)).await.unwrap().session.handle;
        if is_changed_meanwhile {
            client.update(&id, SessionChange::new().set("a", 1)).await.unwrap();
        }
        assert_eq!(client.get(CHOSEN).await.unwrap().session.handle, other);
        assert_eq!(client.delete(CHOSEN).await, Ok(true));
        assert_eq!(client.get(CHOSEN).await, Err(Error::SessionNotFound));

        client.rotate(RotateSessionRequest::new(&id).new_session_id(CHOSEN)).await.unwrap();
        assert_eq!(client.get(CHOSEN).await.unwrap().session.handle, handle);
        assert_eq!(client.delete(DeleteSessionRequest::by_handle(&handle)).await, Ok(true));
        assert_eq!(client.get(CHOSEN).await, Err(Error::SessionNotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_know_nothing_of_each_other() {
    let server = Server::start();
    let [shop, forum] = ["shop", "forum"].map(|name| server.client_builder().namespace(name).connect_lazy().unwrap());
    let new = |n: i64| CreateSessionRequest::new().session_id(CHOSEN).attribute("n", n);
    let in_shop = shop.create(new(1)).await.unwrap().session;
    let in_forum = forum.create(new(2)).await.unwrap().session;
    assert_ne!(in_shop.handle, in_forum.handle);
    assert_eq!(shop.get(CHOSEN).await.unwrap().session.attributes["n"], Value::from(1));
    assert_eq!(forum.get(CHOSEN).await.unwrap().session.attributes["n"], Value::from(2));
    assert_eq!(server.client().get(CHOSEN).await, Err(Error::SessionNotFound));

    let minted = shop.create(CreateSessionRequest::new()).await.unwrap();
    assert_eq!(forum.get(&minted.session_id).await, Err(Error::SessionNotFound), "its handle leads nowhere");
    let by_handle = DeleteSessionRequest::by_handle(&minted.session.handle);
    assert_eq!(forum.delete(by_handle).await, Err(Error::SessionNotFound));
    assert_eq!(shop.delete(CHOSEN).await, Ok(true));
    forum.get(CHOSEN).await.unwrap();
    shop.get(&minted.session_id).await.unwrap();
}

fn every_kind() -> BTreeMap<String, Value> {
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let moment = |seconds, nanos| Value::from(Timestamp { seconds, nanos });
    let values = [
        Value::null(),
        true.into(),
        false.into(),
        0.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        0.0.into(),
        (-0.0).into(),
        1.0.into(),
        nan.into(),
        f64::NEG_INFINITY.into(),
        f64::MIN_POSITIVE.into(),
        "".into(),
        "naïve \u{1F600} \0 text".into(),
        Value::from(Vec::<u8>::new()),
        Value::from((0..=255).collect::<Vec<u8>>()),
        moment(0, 0),
        moment(-62_135_596_800, 0),
        moment(253_402_300_799, 999_999_999),
        moment(-1, 1),
        Value::list(Vec::<Value>::new()),
        vec![Value::null(), 1.into(), 1.0.into(), "1".into(), Value::list([true])].into(),
        Value::map([("", Value::null()), ("ключ", Value::map([("deep", 1)]))]),
    ];
    values.into_iter().enumerate().map(|(number, value)| (format!("value {number}"), value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_to_the_byte() {
    let mut server = Server::start();
    let attributes = every_kind();
    let new = CreateSessionRequest { attributes: attributes.clone(), ..CreateSessionRequest::new() };
    let id = server.client().create(new).await.unwrap().session_id;
    for restarted in [false, true] {
        if restarted {
            server.stop();
            server.restart();
        }
        let read = server.client().get(&id).await.unwrap().session.attributes;
        assert!(read.keys().eq(attributes.keys()));
        for (name, value) in &attributes {
            assert_eq!(read[name].encode_to_vec(), value.encode_to_vec(), "{name}: {value:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_sessions_are_kept_whole() {
    let mut server = Server::start();
    let part = |seed: usize, bytes: usize| {
        Value::from((0..bytes).map(|i| u8::try_from((i * 31 + seed * 17 + i / 251) % 256).unwrap()).collect::<Vec<_>>())
    };
    let new = (0..4).fold(CreateSessionRequest::new(), |new, n| new.attribute(format!("part {n}"), part(n, 50 << 10)));
    let mut expected = new.attributes.clone();
    let client = server.client();
    let id = client.create(new).await.unwrap().session_id;
    assert_eq!(client.get(&id).await.unwrap().session.attributes, expected);

    // One part changes, the session shrinks, grows again, and survives a crash at each size.
    for (seed, bytes) in [(9, 50 << 10), (10, 10), (11, 54 << 10)] {
        server.client().update(&id, SessionChange::new().set("part 2", part(seed, bytes))).await.unwrap();
        expected.insert("part 2".into(), part(seed, bytes));
        assert_eq!(server.client().get(&id).await.unwrap().session.attributes, expected);
        server.kill();
        server.restart();
        assert_eq!(server.client().get(&id).await.unwrap().session.attributes, expected);
    }
    let client = server.client();
    client.update(&id, SessionChange::new().clear().set("small", 1)).await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().session.attributes.len(), 1);
    assert_eq!(client.delete(&id).await, Ok(true));
    server.kill();
    server.restart();
    assert_eq!(server.client().get(&id).await, Err(Error::SessionNotFound));
}
