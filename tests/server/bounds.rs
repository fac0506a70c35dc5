//! Tests every bound of `clients/conformance/bounds.json`: the wire and the Rust client refuse a value beyond it and
//! accept one at its edge. And `docs/limits.md` shows the same list.

use crate::common::{LONG, Server, raw, reason};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, CountSessionsRequest, CreateSessionRequest,
    DeleteSessionRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueHandoffRequest, ListSessionsRequest,
    LockSessionRequest, RedeemHandoffRequest, RevokeSessionsRequest, RotateSessionRequest, TouchSessionRequest,
    UnlockSessionRequest, UpdateSessionRequest, VerifyCsrfTokenRequest, WatchSessionsRequest,
};
use sessiond_client::{Client, Error};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tokio::time::timeout;
use tonic::Code;
use tonic_types::StatusExt;

/// The start and the end of the table in the documentation.
const TABLE: [&str; 2] = ["<!-- bounds.json -->\n", "<!-- end of bounds.json -->\n"];

fn rows() -> Vec<Value> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/conformance/bounds.json");
    serde_json::from_slice(&fs::read(list).unwrap()).unwrap()
}

/// The cases of a row under this name.
fn cases<'a>(row: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    row[name].as_array().into_iter().flatten()
}

/// Writes out what the list only describes; see `clients/conformance/README.md`.
fn expand(value: &Value, session: &str) -> Value {
    let inner = |value| expand(value, session);
    match value {
        Value::Array(items) => items.iter().map(inner).collect(),
        Value::Object(fields) => {
            let times = |key: &str| usize::try_from(fields[key].as_u64().unwrap()).unwrap();
            match fields.keys().find(|key| key.starts_with('$')).map(String::as_str) {
                Some("$session") => session.into(),
                Some("$repeat") => fields["$repeat"].as_str().unwrap().repeat(times("times")).into(),
                Some("$bytes") => BASE64_STANDARD.encode(vec![0; times("$bytes")]).into(),
                Some("$list") => (0..times("$list")).map(|_| inner(&fields["of"])).collect(),
                Some("$map") => {
                    let (prefix, value) = (inner(&fields["prefix"]), inner(&fields["value"]));
                    let name = |n| format!("{}{n}", prefix.as_str().unwrap());
                    (0..times("$map")).map(|n| (name(n), value.clone())).collect::<Map<_, _>>().into()
                }
                Some("$nested") => {
                    let list = |item, _| json!({"listValue": {"items": [item]}});
                    (1..times("$nested")).fold(json!({"boolValue": true}), list)
                }
                Some(other) => panic!("{other} is not known"),
                None => fields.iter().map(|(name, value)| (name.clone(), inner(value))).collect::<Map<_, _>>().into(),
            }
        }
        plain => plain.clone(),
    }
}

/// The encoded request of a case.
fn encoded(pool: &DescriptorPool, case: &Value, session: &str) -> Bytes {
    let message = pool.get_message_by_name(&format!("sessiond.v1.{}Request", method(case))).unwrap();
    let request = expand(&case["request"], session);
    DynamicMessage::deserialize(message, request)
        .unwrap_or_else(|error| panic!("{case}: {error}"))
        .encode_to_vec()
        .into()
}

fn method(case: &Value) -> &str {
    case["method"].as_str().unwrap()
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(sessiond::proto::FILE_DESCRIPTOR_SET).unwrap()
}

async fn new_session(client: &Client) -> String {
    client.create(CreateSessionRequest::new()).await.unwrap().session_id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_holds_on_the_wire() {
    let (server, pool) = (Server::start(), pool());
    let (client, channel) = (server.client(), server.channel());
    for row in rows() {
        for case in cases(&row, "refused") {
            let request = encoded(&pool, case, &new_session(&client).await);
            let answer = timeout(LONG, raw::call_store(channel.clone(), method(case), request)).await.unwrap();
            let status = answer.expect_err(&format!("{}: {case}", row["bound"]));
            let code = format!("{:?}", status.code()).to_uppercase();
            let expected = row["code"].as_str().unwrap().replace('_', "");
            assert_eq!(
                (code.as_str(), reason(&status).as_str()),
                (&*expected, row["reason"].as_str().unwrap()),
                "{case}"
            );
            match status.get_details_bad_request() {
                Some(found) => assert_eq!(found.field_violations[0].field, case["field"].as_str().unwrap_or_default()),
                None => assert_eq!(case["field"], Value::Null, "{case}"),
            }
            if status.code() == Code::ResourceExhausted {
                let metadata = status.get_details_error_info().unwrap().metadata;
                let number = |key: &str| metadata[key].parse::<u64>().unwrap();
                assert!(number("actual") > number("limit"), "{case}: {metadata:?}");
            }
        }
        for case in cases(&row, "allowed_cases") {
            let request = encoded(&pool, case, &new_session(&client).await);
            let answer = timeout(LONG, raw::call_store(channel.clone(), method(case), request)).await.unwrap();
            assert!(answer.is_ok(), "{}: {case}: {answer:?}", row["bound"]);
        }
    }
}

/// Makes the call of a case through the client.
async fn by_client(client: &Client, method: &str, request: Bytes) -> Result<(), Error> {
    macro_rules! call {
        ($call:ident, $request:ident) => {
            client.$call($request::decode(request).unwrap()).await.map(drop)
        };
    }
    match method {
        "CreateSession" => call!(create, CreateSessionRequest),
        "GetSession" => call!(get, GetSessionRequest),
        "UpdateSession" => call!(update_with, UpdateSessionRequest),
        "TouchSession" => call!(touch, TouchSessionRequest),
        "RotateSession" => call!(rotate, RotateSessionRequest),
        "DeleteSession" => call!(delete, DeleteSessionRequest),
        "BatchGetSessions" => call!(batch_get, BatchGetSessionsRequest),
        "BatchDeleteSessions" => call!(batch_delete, BatchDeleteSessionsRequest),
        "ListSessions" => call!(list, ListSessionsRequest),
        "CountSessions" => call!(count, CountSessionsRequest),
        "RevokeSessions" => call!(revoke, RevokeSessionsRequest),
        "WatchSessions" => call!(watch, WatchSessionsRequest),
        "LockSession" => call!(lock, LockSessionRequest),
        "UnlockSession" => call!(unlock, UnlockSessionRequest),
        "IssueHandoff" => call!(issue_handoff, IssueHandoffRequest),
        "RedeemHandoff" => call!(redeem_handoff, RedeemHandoffRequest),
        "IssueCsrfToken" => call!(issue_csrf_token, IssueCsrfTokenRequest),
        "VerifyCsrfToken" => call!(verify_csrf_token, VerifyCsrfTokenRequest),
        other => panic!("the client has no {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_is_told_by_the_rust_client() {
    let (server, pool) = (Server::start(), pool());
    let client = server.client();
    for row in rows() {
        for case in cases(&row, "refused") {
            let request = encoded(&pool, case, &new_session(&client).await);
            let error = by_client(&client, method(case), request).await.expect_err(&case.to_string());
            let (kind, field) = match &error {
                Error::InvalidArgument { violations, .. } => {
                    ("INVALID_ARGUMENT", violations.first().map(|found| found.field.as_str()))
                }
                Error::SessionTooLarge { limit: Some(limit), actual: Some(actual), .. } if actual > limit => {
                    ("SESSION_TOO_LARGE", None)
                }
                Error::MessageTooLarge { limit: Some(limit), actual: Some(actual), .. } if actual > limit => {
                    ("MESSAGE_TOO_LARGE", None)
                }
                other => panic!("{case}: {other:?}"),
            };
            assert_eq!((kind, field), (row["reason"].as_str().unwrap(), case["field"].as_str()), "{case}: {error}");
        }
    }
}

/// The table of the documentation, made from the list.
fn table() -> String {
    let mut table =
        "| bound | allowed | setting | code | reason | checked by |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows() {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let settings: Vec<_> = text("setting").split_terminator(", ").map(|name| format!("`{name}`")).collect();
        let code = if text("code").contains(' ') { text("code").to_owned() } else { format!("`{}`", text("code")) };
        writeln!(
            table,
            "| {} | {} | {} | {code} | `{}` | {} |",
            text("bound"),
            text("allowed"),
            settings.join(", "),
            text("reason"),
            text("checked_by"),
        )
        .unwrap();
    }
    table
}

#[test]
fn the_documentation_shows_the_list() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(TABLE[0]).unwrap();
    let (shown, after) = rest.split_once(TABLE[1]).unwrap();
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&page, [before, TABLE[0], &table(), TABLE[1], after].concat()).unwrap();
    } else {
        assert_eq!(shown, table(), "WRITE_DOCS=1 cargo test --test server bounds:: writes the table anew");
    }
}

#[test]
fn every_bound_is_tested_somewhere() {
    for row in rows() {
        let tested = cases(&row, "refused").next().is_some() || row["tested_in"].is_string();
        assert!(tested, "{row}");
        for path in row["tested_in"].as_str().unwrap_or_default().split('`').skip(1).step_by(2) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
        }
    }
}
