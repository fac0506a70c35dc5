//! What the calls of the page do and tell.

use super::{Lines, call, json, refused, session_of, start};
use crate::common::Server;
use crate::common::metrics::Answer;
use serde_json::Value;
use sessiond_client::proto::{CreateSessionRequest, ListSessionsRequest};

fn handles(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().unwrap().iter().map(|session| session["handle"].as_str().unwrap()).collect()
}

async fn count(server: &Server) -> usize {
    server.client().list(ListSessionsRequest::new()).await.unwrap().sessions.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_found_and_ended_and_no_id_is_told() {
    let server = start(&[]);
    let mut ids = Vec::new();
    let mut made = Vec::new();
    for (user, device) in [("ada", "laptop"), ("ada", "phone"), ("ada", "tablet"), ("bob", "laptop"), ("bob", "<b>")] {
        let (id, handle) = session_of(&server, user, device).await;
        ids.push(id);
        made.push(handle);
    }
    let secret = CreateSessionRequest::new().attribute("secret", "not for the page");
    ids.push(server.client().create(secret).await.unwrap().session_id);
    let mut watch = Lines::open(&server, None, r#"{"namespace":"default"}"#);
    let mut told = vec![watch.next().to_string()];
    let mut asked = |method: &str, body: &str| {
        let answer = call(&server, method, body);
        told.push(format!("{answer:?}"));
        answer
    };

    let all = json(&asked("ListSessions", "{}"));
    assert_eq!(all["sessions"].as_array().unwrap().len(), 6);
    let of_ada = json(&asked("ListSessions", r#"{"namespace":"default","principal":"ada"}"#));
    assert_eq!(handles(&of_ada), [&made[2], &made[1], &made[0]]);
    let session = &of_ada["sessions"][0];
    assert_eq!((&session["principal"], &session["labels"]["device"]), (&Value::from("ada"), &Value::from("tablet")));
    for time in ["create_time", "last_access_time", "update_time", "expire_time"] {
        assert!(session[time].as_str().unwrap().ends_with('Z'), "{session}");
    }
    assert!(session.get("attributes").is_none(), "{session}");
    let one = json(&asked("ListSessions", &format!("{{\"handles\":[\"{}\"]}}", made[4])));
    assert_eq!(one["sessions"][0]["labels"]["device"], "<b>");

    let first = json(&asked("ListSessions", r#"{"principal":"ada","page_size":2}"#));
    assert_eq!(handles(&first), [&made[2], &made[1]]);
    let token = first["next_page_token"].as_str().unwrap();
    let rest =
        json(&asked("ListSessions", &format!("{{\"principal\":\"ada\",\"page_size\":2,\"page_token\":\"{token}\"}}")));
    assert_eq!((handles(&rest), &rest["next_page_token"]), (vec![made[0].as_str()], &Value::from("")));

    let end = |handles: &[String]| serde_json::json!({ "handles": handles }).to_string();
    assert_eq!(json(&asked("RevokeSessions", &end(&made[..1])))["revoked"], 1);
    assert_eq!(json(&asked("RevokeSessions", &end(&made[..1])))["revoked"], 0);
    assert_eq!(count(&server).await, 5);
    assert_eq!(json(&asked("RevokeSessions", r#"{"principal":"ada"}"#))["revoked"], 2);
    assert_eq!(count(&server).await, 3);
    json(&asked("GetStatistics", "{}"));
    json(&asked("WhoAmI", "{}"));
    for _ in 0..3 {
        told.push(watch.next_but_checkpoints().to_string());
    }
    // Those calls made events and answers; some error texts are told too.
    for body in [format!("{{\"handles\":[\"{}\"]}}", ids[0]), format!("{{\"{}\":1}}", "x"), "[]".to_owned()] {
        told.push(format!("{:?}", call(&server, "RevokeSessions", &body)));
    }
    for text in told {
        for id in &ids {
            assert!(!text.contains(id.as_str()), "an ID is told: {text}");
        }
        assert!(!text.contains("not for the page") && !text.contains("session_id"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_happen_and_go_on_where_they_were_left() {
    let server = start(&[]);
    let mut lines = Lines::open(&server, None, r#"{"all_namespaces":true}"#);
    let checkpoint = lines.next();
    let token = checkpoint["checkpoint"]["resume_token"].as_str().unwrap().to_owned();
    let (_, handle) = session_of(&server, "ada", "laptop").await;
    let created = lines.next_but_checkpoints();
    let event = &created["event"];
    assert_eq!((&event["kind"], &event["session"]["handle"]), (&Value::from("created"), &Value::from(handle.as_str())));
    assert_eq!(event["session"]["labels"]["device"], "laptop");
    json(&call(&server, "RevokeSessions", r#"{"principal":"ada"}"#));
    assert_eq!(lines.next_but_checkpoints()["event"]["kind"], "revoked");
    drop(lines);

    let body = format!("{{\"all_namespaces\":true,\"kinds\":[\"revoked\"],\"resume_token\":\"{token}\"}}");
    let missed = Lines::open(&server, None, &body).next_but_checkpoints();
    assert_eq!((&missed["event"]["kind"], &missed["event"]["session"]["handle"]), (&"revoked".into(), &handle.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_tell_of_the_calls_of_applications() {
    let server = start(&[]);
    let before = json(&call(&server, "GetStatistics", "{}"));
    assert_eq!(before["calls"]["count"], 0, "the console's own calls are not among them");
    let (id, _) = session_of(&server, "ada", "laptop").await;
    server.client().get(&id).await.unwrap();
    let after = json(&call(&server, "GetStatistics", "{}"));
    assert_eq!((&after["calls"]["count"], &after["calls"]["failed"]), (&Value::from(2), &Value::from(0)));
    let durations = after["calls"]["durations"].as_array().unwrap();
    assert_eq!(durations.iter().map(|range| range["count"].as_u64().unwrap()).sum::<u64>(), 2);
    assert!(durations.last().unwrap()["up_to"].is_null() && durations[0]["up_to"].is_f64(), "{durations:?}");
    assert_eq!((&after["sessions"], &after["namespaces"][0]["namespace"]), (&Value::from(1), &Value::from("default")));
    assert!(after["disk_bytes"].as_u64().unwrap() > 0 && after["sweeper_lag"].is_string(), "{after}");
}

#[test]
fn what_can_not_be_done_is_told_with_the_reason() {
    let server = start(&[]);
    let too_many = serde_json::json!({ "handles": vec!["0199f2b8-6c1e-7d43-9f0a-3b1f6c2a5e77"; 101] }).to_string();
    let cases = [
        ("ListSessions", "", "the body is not what the call takes"),
        ("ListSessions", "[1", "the body is not what the call takes"),
        ("ListSessions", r#"{"view":"full"}"#, "unknown field `view`"),
        ("ListSessions", r#"{"namespace":"No"}"#, "namespace"),
        ("ListSessions", r#"{"page_size":101}"#, "may be 100 at most"),
        ("ListSessions", &too_many, "may be 100 at most"),
        ("ListSessions", r#"{"handles":["x"]}"#, "must be a UUID"),
        ("RevokeSessions", "{}", "either principal or handles"),
        ("RevokeSessions", r#"{"principal":"a","handles":[]}"#, "either principal or handles"),
        ("RevokeSessions", r#"{"whole_namespace":{}}"#, "unknown field `whole_namespace`"),
        ("RevokeSessions", r#"{"principal":""}"#, "principal"),
        ("WatchSessions", r#"{"kinds":["born"]}"#, "unknown variant `born`"),
        ("WatchSessions", r#"{"resume_token":"x"}"#, "resume_token"),
        ("GetStatistics", r#"{"x":1}"#, "unknown field `x`"),
    ];
    for (method, body, part) in cases {
        let answer = call(&server, method, body);
        assert_eq!(refused(&answer), (400, "INVALID_ARGUMENT".to_owned()), "{method} {body}: {answer:?}");
        assert!(answer.body.contains(part), "{method} {body}: {}", answer.body);
    }
    let none = |answer: Answer| assert_eq!(refused(&answer), (404, "UNKNOWN_METHOD".to_owned()));
    for method in ["CreateSession", "GetSession", "Backup", "", "ListSessions/", "listsessions"] {
        none(call(&server, method, "{}"));
    }
}
