//! Tests that what can be stored can be read: by every call, by every client, and even after the bounds were lowered.

use crate::common::{LONG, Server, binary, run};
use sessiond::model::message_with;
use sessiond_client::proto::batch_get_sessions_result::Result as Item;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::watch_sessions_response::Message;
use sessiond_client::proto::{
    BatchGetSessionsRequest, Call, CreateSessionRequest, DeleteSessionRequest, EventKind, ExchangeRequest,
    GetSessionRequest, ListSessionsRequest, Session, SessionChange, UpdateSessionRequest, Value, WatchSessionsRequest,
};
use tokio::time::timeout;

const ATTRIBUTES: usize = 1_024;

/// A session of exactly this many bytes, with the most attributes and labels, in the namespace with the longest name.
async fn largest_session(server: &Server, bytes: usize) -> String {
    let client = server.client_in(&namespace());
    let mut new = CreateSessionRequest::new().principal("p".repeat(256));
    for number in 0..16 {
        new = new.label(format!("{number:064}"), "l".repeat(256));
    }
    let id = client.create(new).await.unwrap().session_id;
    let mut left = bytes - 256 - 16 * (64 + 256);
    // Most attributes are small, because each adds bytes to an answer that do not count. Name and value take 8 bytes
    // besides their own.
    let mut small = SessionChange::new();
    for number in 0..ATTRIBUTES - 4 {
        small = small.set(format!("{number:04}"), 1);
        left -= 10;
    }
    client.update(&id, small).await.unwrap();
    for (number, name) in ["w", "x", "y", "z"].into_iter().enumerate() {
        // Longer lengths take more bytes, so the last attribute is filled up by trial.
        let data = if number < 3 { left / (4 - number) } else { left };
        let heads = data - (1..20).find(|head| encoded_attribute(name, data - head) == data).unwrap();
        client.update(&id, SessionChange::new().set(name, vec![7; heads])).await.unwrap();
        left -= data;
    }
    let one_more = SessionChange::new().set("z", vec![7; bytes]);
    client.update(&id, one_more).await.expect_err("it is as large as it may be");
    id
}

/// What an attribute of bytes counts towards the session's size.
fn encoded_attribute(name: &str, bytes: usize) -> usize {
    use prost::Message;
    let value = Value::from(vec![7; bytes]).encoded_len();
    1 + 1 + name.len() + 1 + prost::length_delimiter_len(value) + value
}

fn namespace() -> String {
    "n".repeat(63)
}

fn data(session: &Session) -> usize {
    session.attributes.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_session_fits_into_every_answer_of_a_client_with_default_settings() {
    let bytes = (4 << 20) - message_with(0, ATTRIBUTES);
    let server = Server::start_with(&["--max-session-size", &bytes.to_string()]);
    let id = largest_session(&server, bytes).await;

    // The stub accepts 4 MiB, the default of gRPC clients.
    let mut stub = server.stub();
    let get = || GetSessionRequest { namespace: namespace(), ..GetSessionRequest::new(&id) };
    let read = stub.get_session(get()).await.unwrap().into_inner().session.unwrap();
    assert_eq!(data(&read), ATTRIBUTES);

    let missing = (0..99).map(|n| format!("an-unknown-session-id-{n}"));
    let ids = std::iter::once(id.clone()).chain(missing);
    let batch = BatchGetSessionsRequest { namespace: namespace(), ..BatchGetSessionsRequest::new(ids) };
    let results = stub.batch_get_sessions(batch).await.unwrap().into_inner().results;
    assert!(matches!(&results[0].result, Some(Item::Session(session)) if data(session) == ATTRIBUTES));

    let list = ListSessionsRequest { namespace: namespace(), ..ListSessionsRequest::new().full() };
    let listed = stub.list_sessions(list).await.unwrap().into_inner().sessions;
    assert_eq!(listed.iter().map(data).collect::<Vec<_>>(), [ATTRIBUTES]);

    // The reply comes among others that are just too few to fill a message of their own.
    let client = server.client_in(&namespace());
    let new = CreateSessionRequest::new().attribute("v", vec![7; 8 << 10]);
    let small = client.create(new).await.unwrap().session_id;
    let others = GetSessionRequest { namespace: namespace(), ..GetSessionRequest::new(&small) };
    let methods = [others.clone(), others.clone(), others.clone(), get(), others];
    let call = |(tag, get)| Call { tag, timeout: None, method: Some(Method::Get(get)), trace_context: None };
    let calls = (0..).zip(methods).map(call).collect();
    let requests = tokio_stream::once(ExchangeRequest { calls });
    let mut replies = stub.exchange(requests).await.unwrap().into_inner();
    let mut sizes = [0; 5];
    while let Some(message) = replies.message().await.unwrap() {
        for reply in message.replies {
            let Some(Answer::Get(read)) = reply.result else { panic!("{}: {:?}", reply.tag, reply.result) };
            sizes[usize::try_from(reply.tag).unwrap()] = data(&read.session.unwrap());
        }
    }
    assert_eq!(sizes, [1, 1, 1, ATTRIBUTES, 1]);

    let shown = run(binary().args(["get", "--addr", server.address(), "--namespace", &namespace(), &id]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_event_fits_into_a_message() {
    let bytes = (4 << 20) - message_with(0, ATTRIBUTES);
    let config = format!("event-attributes = true\nmax-session-size = {bytes}");
    // On disk, events of large sessions keep no attributes.
    let server = Server::start_configured(&config, &["--engine", "memory"]);
    let id = largest_session(&server, bytes).await;
    let mut stub = server.stub();
    let deleted = WatchSessionsRequest::new().kind(EventKind::Deleted);
    let watch = WatchSessionsRequest { namespace: namespace(), include_attributes: true, ..deleted };
    let mut events = stub.watch_sessions(watch).await.unwrap().into_inner();
    let delete = DeleteSessionRequest { namespace: namespace(), ..DeleteSessionRequest::by_id(&id) };
    stub.delete_session(delete).await.unwrap();
    let event = async {
        loop {
            if let Some(Message::Event(event)) = events.message().await.unwrap().unwrap().message {
                return event.session.unwrap();
            }
        }
    };
    assert_eq!(data(&timeout(LONG, event).await.unwrap()), ATTRIBUTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_stored_under_larger_bounds_is_still_read_and_made_smaller() {
    let mut server = Server::start_with(&["--max-session-size", "4MiB", "--max-message-size", "8MiB"]);
    let client = server.client();
    let new = CreateSessionRequest::new().attribute("small", 1).attribute("large", vec![7; (4 << 20) - 1_000]);
    let id = client.create(new).await.unwrap().session_id;
    let other = client.create(CreateSessionRequest::new().attribute("v", 1)).await.unwrap().session_id;

    server.stop();
    server.restart_with(&["--max-session-size", "32KiB", "--max-message-size", "64KiB"]);
    let client = server.client();
    assert_eq!(data(&client.get(&id).await.unwrap().session), 2);
    let mut listing = client.list_all(ListSessionsRequest::new().full().page_size(1));
    let mut listed = 0;
    while let Some(session) = listing.next().await {
        listed += data(&session.unwrap());
    }
    assert_eq!(listed, 3);
    let shown = run(binary().args(["get", "--addr", server.address(), &id]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    client.update(&id, SessionChange::new().remove("large")).await.unwrap();
    for id in [&id, &other] {
        assert_eq!(data(&client.get(id).await.unwrap().session), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_many_sessions_stay_within_what_every_client_takes() {
    let server = Server::start_with(&["--max-message-size", "64MiB"]);
    let mut stub = server.stub();
    let mut ids = Vec::new();
    for _ in 0..30 {
        let new = CreateSessionRequest::new().attribute("v", vec![7; 250 << 10]);
        ids.push(stub.create_session(new).await.unwrap().into_inner().session_id);
    }
    let (mut token, mut listed) = (String::new(), 0);
    loop {
        let request = ListSessionsRequest::new().full().page_token(token);
        let page = stub.list_sessions(request).await.unwrap().into_inner();
        listed += page.sessions.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, ids.len());
    let results = stub.batch_get_sessions(BatchGetSessionsRequest::new(&ids)).await.unwrap().into_inner().results;
    let read = results.iter().filter(|result| matches!(result.result, Some(Item::Session(_)))).count();
    assert_eq!((read, results.len()), (16, 30), "as many as 4 MiB hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_is_not_stored() {
    // With these bounds, two updates once made a session that no answer could carry.
    let refused = run(binary().args(["serve", "--max-session-size", "4194303B", "--engine", "memory"]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--max-session-size") && refused.stderr.contains("4208190"), "{}", refused.stderr);

    let bytes = (4 << 20) - message_with(0, ATTRIBUTES);
    let server = Server::start_with(&["--max-session-size", &bytes.to_string()]);
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let update = |name: &str, bytes| {
        let change = SessionChange::new().set(name, vec![7; bytes]);
        UpdateSessionRequest::new(&id, change)
    };
    stub.update_session(update("x", 2 << 20)).await.unwrap();
    let status = stub.update_session(update("y", 2_097_052)).await.unwrap_err();
    assert_eq!(crate::common::reason(&status), "SESSION_TOO_LARGE");
    stub.get_session(GetSessionRequest::new(&id)).await.unwrap();
}
