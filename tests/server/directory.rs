//! Tests of lists, counts and revocations, of a principal and of a whole namespace, while sessions come and go.

use crate::common::{LONG, Server, after, assert_blamed, eventually, millis};
use prost::Message;
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, ListSessionsRequest,
    RevokeSessionsRequest, RotateSessionRequest, Session, SessionChange, SessionView, Timeouts, Value,
};
use sessiond_client::{Client, Created, Error};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

async fn create(client: &Client, principal: &str) -> Created {
    client.create(CreateSessionRequest::new().principal(principal)).await.unwrap()
}

/// Lists the sessions of a principal, or of the whole namespace if the principal is empty.
async fn listed(client: &Client, principal: &str) -> Vec<Session> {
    let mut listing = client.list_all(ListSessionsRequest::new().principal(principal).page_size(7));
    let mut sessions = Vec::new();
    while let Some(session) = listing.next().await {
        sessions.push(session.unwrap());
    }
    sessions
}

async fn handles(client: &Client, principal: &str) -> HashSet<String> {
    let sessions = listed(client, principal).await;
    let handles: HashSet<String> = sessions.iter().map(|session| session.handle.clone()).collect();
    assert_eq!(handles.len(), sessions.len(), "one is listed twice");
    handles
}

async fn count(client: &Client, principal: &str) -> u64 {
    let request = CountSessionsRequest::new().principal(principal);
    client.count(request).await.unwrap()
}

fn set(sessions: &[&Created]) -> HashSet<String> {
    sessions.iter().map(|created| created.session.handle.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_and_complete() {
    let server = Server::start();
    let (client, other) = (server.client(), server.client_in("other"));
    let mut made: HashMap<&str, Vec<String>> = HashMap::new();
    for number in 0..150 {
        let principal = ["ada", "bob", ""][number % 3];
        let created = create(&client, principal).await;
        // Sessions are ordered by the millisecond.
        after(millis(created.session.create_time)).await;
        made.entry(principal).or_default().push(created.session.handle.clone());
        made.entry("all").or_default().push(created.session.handle);
    }
    create(&other, "ada").await;
    for (principal, list) in [("ada", "ada"), ("bob", "bob"), ("", "all")] {
        let mut expected = made[list].clone();
        expected.reverse();
        let found: Vec<String> = listed(&client, principal).await.into_iter().map(|s| s.handle).collect();
        assert_eq!(found, expected, "of {list}");
        assert_eq!(count(&client, principal).await, expected.len() as u64);
    }
    let page = client.list(ListSessionsRequest::new()).await.unwrap();
    assert_eq!(page.sessions.len(), 100, "a page has 100 sessions if nothing is said");
    let page = client.list(ListSessionsRequest::new().page_size(150)).await.unwrap();
    assert_eq!((page.sessions.len(), page.next_page_token), (150, None));
    assert_eq!(listed(&client, "nobody").await, []);
    assert_eq!(count(&client, "nobody").await, 0);
    assert_eq!(count(&other, "").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_survive_what_comes_and_goes_between_them() {
    let server = Server::start();
    let client = server.client();
    let mut old = HashMap::new();
    for _ in 0..200 {
        let created = create(&client, "ada").await;
        old.insert(created.session.handle, created.session_id);
    }
    let mut ended = HashSet::new();
    let (mut seen, mut token) = (Vec::<String>::new(), String::new());
    loop {
        let request = ListSessionsRequest::new().principal("ada").page_size(10);
        let page = client.list(request.page_token(&token)).await.unwrap();
        assert!(page.sessions.len() <= 10);
        seen.extend(page.sessions.into_iter().map(|session| session.handle));
        let Some(next) = page.next_page_token else { break };
        token = next;
        // The session that the token names goes, and so do one that is still to come and one that was seen. Others
        // come.
        let last = seen.last().unwrap().clone();
        let unseen = old.keys().find(|handle| !seen.contains(handle) && !ended.contains(*handle)).cloned();
        let earlier = seen.iter().find(|handle| !ended.contains(*handle)).cloned();
        for handle in [Some(last), unseen, earlier].into_iter().flatten() {
            if ended.insert(handle.clone()) {
                client.delete(DeleteSessionRequest::by_handle(handle)).await.unwrap();
            }
        }
        create(&client, "ada").await;
        create(&client, "bob").await;
    }
    let distinct: HashSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "one is shown twice");
    assert!(ended.len() > 30, "nothing went on between the pages");
    for handle in old.keys().filter(|handle| !ended.contains(*handle)) {
        assert!(distinct.contains(handle), "{handle} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_belongs_to_its_list() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..3 {
        create(&client, "ada").await;
    }
    let first = ListSessionsRequest::new().principal("ada").page_size(1);
    let token = client.list(first.clone()).await.unwrap().next_page_token.unwrap();
    let request = |namespace: &str, principal: &str, token: &str| ListSessionsRequest {
        namespace: namespace.into(),
        ..ListSessionsRequest::new().principal(principal).page_token(token)
    };
    let mut stub = server.stub();
    for refused in [
        request("", "bob", &token),
        request("", "", &token),
        request("other", "ada", &token),
        request("", "ada", "x"),
        request("", "ada", &token[1..]),
        request("", "ada", &format!("{token}{token}")),
        request("", "ada", "ключ"),
    ] {
        assert_blamed(&stub.list_sessions(refused).await.unwrap_err(), "page_token", &token);
    }
    // Another page size and another view are allowed, and so is the namespace by its name.
    let rest = request("default", "ada", &token).page_size(9).full();
    assert_eq!(stub.list_sessions(rest).await.unwrap().into_inner().sessions.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_show_what_they_say_and_never_an_id() {
    let server = Server::start();
    let client = server.client();
    let new = CreateSessionRequest::new().principal("ada").label("device", "Firefox").attribute("theme", "dark");
    let created = client.create(new.clone()).await.unwrap();
    let chosen = client.create(new.session_id("chosen-session-id-1")).await.unwrap();
    let rotated = client.rotate(RotateSessionRequest::new(&created.session_id).grace(Duration::from_secs(60)));
    let rotated = rotated.await.unwrap();
    let mut stub = server.stub();
    for view in [SessionView::Unspecified, SessionView::Basic, SessionView::Full] {
        let request =
            ListSessionsRequest { view: view.into(), ..ListSessionsRequest::new().principal("ada").page_size(1) };
        let mut token = String::new();
        for _ in 0..2 {
            let answer = stub.list_sessions(request.clone().page_token(&token)).await.unwrap().into_inner();
            let session = &answer.sessions[0];
            let id = if session.handle == chosen.session.handle { &chosen.session_id } else { &rotated.session_id };
            let mut expected = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
            assert_eq!(expected.attributes["theme"], Value::from("dark"));
            if view != SessionView::Full {
                expected.attributes.clear();
            }
            assert_eq!(*session, expected);
            let bytes = answer.encode_to_vec();
            for id in [&created.session_id, &chosen.session_id, &rotated.session_id] {
                // A minted ID begins with the handle.
                let secret = &id.as_bytes()[id.len() / 2..];
                assert!(!bytes.windows(secret.len()).any(|window| window == secret), "an answer tells an ID");
            }
            token = answer.next_page_token;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_sessions_fits_a_message() {
    let server = Server::start_with(&["--durability", "interval"]);
    let client = server.client();
    for _ in 0..40 {
        let new = CreateSessionRequest::new().attribute("v", vec![7; 200 << 10]);
        client.create(new).await.unwrap();
    }
    let mut listing = client.list_all(ListSessionsRequest::new().full());
    let mut found = HashSet::new();
    while let Some(session) = listing.next().await {
        assert!(found.insert(session.unwrap().handle), "one is listed twice");
    }
    assert_eq!(found.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_neither_listed_nor_counted() {
    let server = Server::start_with(&["--sweep-interval", "10m"]);
    let client = server.client();
    let (mut kept, mut end) = (HashSet::new(), 0);
    for number in 0..40 {
        if number % 4 == 0 {
            kept.insert(create(&client, "ada").await.session.handle);
        } else {
            let short = Timeouts::new().absolute(Duration::from_millis(50));
            let new = CreateSessionRequest::new().principal("ada").timeouts(short);
            end = end.max(millis(client.create(new).await.unwrap().session.expire_time));
        }
    }
    after(end).await;
    assert_eq!(client.statistics().await.unwrap().sessions, 40, "some are swept: this tests nothing");
    for principal in ["ada", ""] {
        assert_eq!(handles(&client, principal).await, kept);
        assert_eq!(count(&client, principal).await, 10);
    }
    assert_eq!(client.revoke(RevokeSessionsRequest::of_principal("ada")).await, Ok(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_listed_under_its_present_principal() {
    let server = Server::start();
    let client = server.client();
    let (mover, stayer) = (create(&client, "").await, create(&client, "ada").await);
    assert_eq!(handles(&client, "ada").await, set(&[&stayer]));
    let log_in = RotateSessionRequest::new(&mover.session_id).change(SessionChange::new().set_principal("ada"));
    let id = client.rotate(log_in).await.unwrap().session_id;
    assert_eq!(handles(&client, "ada").await, set(&[&stayer, &mover]));
    client.update(&id, SessionChange::new().set_principal("bob")).await.unwrap();
    assert_eq!(handles(&client, "ada").await, set(&[&stayer]));
    assert_eq!(handles(&client, "bob").await, set(&[&mover]));
    assert_eq!(client.revoke(RevokeSessionsRequest::of_principal("ada")).await, Ok(1));
    client.update(&id, SessionChange::new().set_principal("")).await.unwrap();
    assert_eq!((count(&client, "bob").await, count(&client, "").await), (0, 1));
    client.update(&id, SessionChange::new().set_principal("ada")).await.unwrap();
    client.delete(&id).await.unwrap();
    assert_eq!((count(&client, "ada").await, count(&client, "").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_ends_what_its_scope_names_and_nothing_else() {
    let server = Server::start();
    let (client, other) = (server.client(), server.client_in("other"));
    let (bob, nobody, elsewhere) =
        (create(&client, "bob").await, create(&client, "").await, create(&other, "ada").await);
    let mut ada = Vec::new();
    for _ in 0..300 {
        ada.push(create(&client, "ada").await);
    }
    let except = |id: &str| RevokeSessionsRequest::of_principal_except("ada", id);
    // Nothing is revoked if the excepted session does not exist.
    for unknown in ["an-unknown-session-id", &elsewhere.session_id] {
        assert_eq!(client.revoke(except(unknown)).await, Err(Error::SessionNotFound));
    }
    assert_eq!(count(&client, "ada").await, 300);
    assert_eq!(client.revoke(except(&ada[7].session_id)).await, Ok(299));
    assert_eq!(handles(&client, "ada").await, set(&[&ada[7]]));
    assert_eq!(client.get(&ada[8].session_id).await, Err(Error::SessionNotFound));
    assert_eq!(client.revoke(except(&ada[7].session_id)).await, Ok(0));
    // An excepted session of another principal changes nothing.
    assert_eq!(client.revoke(except(&bob.session_id)).await, Ok(1));

    let named = [create(&client, "ada").await, create(&client, "").await];
    let [first, second] = [&named[0].session.handle, &named[1].session.handle];
    let unknown = &ada[0].session.handle;
    let by_handles =
        RevokeSessionsRequest::by_handles([first, unknown, second, first, &elsewhere.session.handle, first]);
    assert_eq!(client.revoke(by_handles.clone()).await, Ok(2));
    assert_eq!(client.revoke(by_handles).await, Ok(0));
    assert_eq!(handles(&client, "").await, set(&[&bob, &nobody]));

    assert_eq!(client.revoke(RevokeSessionsRequest::of_principal("bob")).await, Ok(1));
    assert_eq!(handles(&client, "").await, set(&[&nobody]));
    for _ in 0..200 {
        create(&client, "ada").await;
    }
    assert_eq!(client.revoke(RevokeSessionsRequest::whole_namespace()).await, Ok(201));
    assert_eq!(client.revoke(RevokeSessionsRequest::whole_namespace()).await, Ok(0));
    assert_eq!((count(&client, "").await, count(&client, "ada").await), (0, 0));
    assert_eq!(handles(&other, "").await, set(&[&elsewhere]));
    assert!(other.get(&elsewhere.session_id).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_brings_a_revoked_session_back() {
    let server = Server::start_with(&["--touch-interval", "100ms"]);
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let mut carried_out = 0;
    for round in 0..120_u64 {
        let session = create(&clients[0], "ada").await;
        let id = &session.session_id;
        let scope = match round % 3 {
            0 => RevokeSessionsRequest::of_principal("ada"),
            1 => RevokeSessionsRequest::by_handles([&session.session.handle]),
            _ => RevokeSessionsRequest::whole_namespace(),
        };
        let revoke = async {
            tokio::time::sleep(Duration::from_micros(round % 15 * 100)).await;
            assert_eq!(clients[5].revoke(scope).await, Ok(1), "round {round}");
            assert_eq!(clients[5].get(id).await, Err(Error::SessionNotFound), "round {round}");
        };
        let change = |name: &str| SessionChange::new().set(name, 1).set_principal("ada");
        let rotation = RotateSessionRequest::new(id).grace(Duration::from_secs(60));
        let (first, second, touched, _, rotated, ()) = tokio::join!(
            clients[0].update(id, change("a")),
            clients[1].update(id, change("b")),
            clients[2].touch(id),
            clients[3].get(id),
            clients[4].rotate(rotation),
            revoke,
        );
        carried_out += usize::from(first.is_ok()) + usize::from(second.is_ok()) + usize::from(touched.is_ok());
        for id in rotated.iter().map(|rotated| &rotated.session_id).chain([id]) {
            assert_eq!(clients[0].get(id).await, Err(Error::SessionNotFound), "round {round}");
            let update = clients[0].update(id, change("c")).await;
            assert_eq!(update, Err(Error::SessionNotFound), "round {round}");
        }
        assert_eq!((count(&clients[0], "ada").await, count(&clients[0], "").await), (0, 0));
    }
    assert!(carried_out > 0, "the revocation always came first: there was no race");
}

/// What a writer knows from its answers: the principal of each live session, by handle, and which sessions have ended.
#[derive(Default)]
struct Ledger {
    live: BTreeMap<String, (String, String)>,
    ended: HashSet<String>,
    /// Sessions whose last change was not acknowledged.
    unsure: HashSet<String>,
}

/// Creates, moves and ends sessions until the server dies.
async fn write_until_killed(client: Client, done: Arc<AtomicUsize>) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0_usize.. {
        let principal = format!("user-{}", number % 5);
        let oldest = ledger.live.first_key_value().map(|(handle, (id, _))| (handle.clone(), id.clone()));
        let acknowledged = match (number % 4, oldest) {
            (2, Some((handle, id))) => {
                let moved = client.update(&id, SessionChange::new().set_principal(&principal)).await;
                if moved.is_ok() {
                    ledger.live.insert(handle, (id, principal));
                } else {
                    ledger.unsure.insert(handle);
                }
                moved.is_ok()
            }
            (3, Some((handle, id))) => {
                let deleted = client.delete(&id).await;
                if deleted.is_ok() {
                    ledger.live.remove(&handle);
                    ledger.ended.insert(handle);
                } else {
                    ledger.unsure.insert(handle);
                }
                deleted.is_ok()
            }
            _ => {
                let created = client.create(CreateSessionRequest::new().principal(&principal)).await;
                if let Ok(created) = &created {
                    let known = (created.session_id.clone(), principal);
                    ledger.live.insert(created.session.handle.clone(), known);
                }
                created.is_ok()
            }
        };
        if !acknowledged {
            break;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_right_at_once_after_a_crash() {
    let mut server = Server::start();
    let mut ledgers: Vec<Ledger> = Vec::new();
    for round in 0..3 {
        let done = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..6 {
            writers.spawn(write_until_killed(server.client(), Arc::clone(&done)));
        }
        let enough = 200 + round * 70;
        eventually("the writers are at work", async || done.load(Ordering::Relaxed) > enough).await;
        server.kill();
        ledgers.extend(tokio::time::timeout(LONG, writers.join_all()).await.unwrap());
        server.restart();

        let client = server.client();
        let mut expected: HashMap<&str, HashSet<&String>> = HashMap::new();
        for (handle, (_, principal)) in ledgers.iter().flat_map(|ledger| &ledger.live) {
            expected.entry(principal).or_default().insert(handle);
        }
        assert!(expected.len() == 5 && expected.values().map(HashSet::len).sum::<usize>() > 50);
        let unsure: HashSet<&String> = ledgers.iter().flat_map(|ledger| &ledger.unsure).collect();
        let ended: HashSet<&String> = ledgers.iter().flat_map(|ledger| &ledger.ended).collect();
        let mut total = 0;
        for (principal, expected) in expected {
            let sessions = listed(&client, principal).await;
            assert!(sessions.iter().all(|session| session.principal == principal));
            let found: HashSet<&String> = sessions.iter().map(|session| &session.handle).collect();
            assert_eq!(found.len(), sessions.len(), "one is listed twice");
            assert_eq!(count(&client, principal).await, sessions.len() as u64);
            let missing: Vec<_> = expected.iter().filter(|h| !found.contains(**h) && !unsure.contains(**h)).collect();
            assert!(missing.is_empty(), "round {round}: {principal} lacks {missing:?}");
            let back: Vec<_> = found.intersection(&ended).collect();
            assert!(back.is_empty(), "round {round}: {principal} has {back:?} back");
            total += found.len();
        }
        assert_eq!(handles(&client, "").await.len(), total);
        assert_eq!(count(&client, "").await, total as u64);
        assert_eq!(client.statistics().await.unwrap().sessions, total as u64);
    }
}
