//! Makes the calls of a case through the client, so its lane and errors are tested, too. Requests and answers are in
//! the JSON form of Protocol Buffers. What the client returns is put back into the response message of the call.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use sessiond_client::proto::batch_get_sessions_result::Result as GetResult;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::{self, BatchDeleteSessionsResult, BatchGetSessionsResult, ItemError, Reply};
use sessiond_client::{Client, Created, Error, Event, Handoff, Lock, Page, Read, Redeemed, Rotated, Touched, Updated};
use tonic::{Code, Status};

use crate::errors::{described, described_status};
use crate::run::Outcome;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(sessiond::proto::FILE_DESCRIPTOR_SET).unwrap());

/// The descriptor of a message of the contract.
fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("sessiond.v1.{name}")).unwrap_or_else(|| panic!("there is no {name}"))
}

pub(crate) fn has_namespace(method: &str) -> bool {
    let method = method.trim_start_matches("Admin.");
    descriptor(&format!("{method}Request")).get_field_by_name("namespace").is_some()
}

/// The request of a method.
pub(crate) fn typed<T: Message + Default>(method: &str, request: Value) -> Result<T, String> {
    let name = format!("{}Request", method.trim_start_matches("Admin."));
    let message = DynamicMessage::deserialize(descriptor(&name), request).map_err(|error| error.to_string())?;
    Ok(T::decode(message.encode_to_vec().as_slice()).unwrap())
}

fn shown(name: &str, message: &impl Message) -> Value {
    let message = DynamicMessage::decode(descriptor(name), message.encode_to_vec().as_slice()).unwrap();
    serde_json::to_value(message).unwrap()
}

/// A message of the contract in JSON.
macro_rules! shown {
    ($response:ident { $($field:ident: $value:expr),* $(,)? }) => {
        shown(stringify!($response), &proto::$response { $($field: $value),* })
    };
}

/// Makes a call through the client.
pub(crate) async fn make(client: &Client, method: &str, request: Value) -> Outcome {
    call(client, method, request).await.map_err(|error| described(&error))
}

async fn call(client: &Client, method: &str, request: Value) -> Result<Value, Error> {
    macro_rules! ask {
        ($call:ident, $request:ident) => {
            client.$call(typed::<proto::$request>(method, request).unwrap()).await?
        };
    }
    Ok(match method {
        "CreateSession" => {
            let Created { session_id, session } = ask!(create, CreateSessionRequest);
            shown!(CreateSessionResponse { session_id: session_id, session: Some(session) })
        }
        "GetSession" => {
            let Read { session, not_modified } = ask!(get, GetSessionRequest);
            shown!(GetSessionResponse { session: Some(session), not_modified: not_modified })
        }
        "UpdateSession" => {
            let Updated { session, created } = ask!(update_with, UpdateSessionRequest);
            shown!(UpdateSessionResponse { session: Some(session), created: created })
        }
        "TouchSession" => {
            let Touched { expire_time, version } = ask!(touch, TouchSessionRequest);
            shown!(TouchSessionResponse { expire_time: Some(expire_time), version: version })
        }
        "RotateSession" => {
            let Rotated { session_id, session } = ask!(rotate, RotateSessionRequest);
            shown!(RotateSessionResponse { session_id: session_id, session: Some(session) })
        }
        "DeleteSession" => shown!(DeleteSessionResponse { deleted: ask!(delete, DeleteSessionRequest) }),
        "BatchGetSessions" => {
            let results = ask!(batch_get, BatchGetSessionsRequest).into_iter().map(|result| BatchGetSessionsResult {
                result: Some(result.map_or_else(|error| GetResult::Error(item(&error)), GetResult::Session)),
            });
            shown!(BatchGetSessionsResponse { results: results.collect() })
        }
        "BatchDeleteSessions" => {
            let results = ask!(batch_delete, BatchDeleteSessionsRequest).into_iter().map(|result| {
                let (deleted, error) =
                    result.map_or_else(|error| (false, Some(item(&error))), |deleted| (deleted, None));
                BatchDeleteSessionsResult { deleted, error }
            });
            shown!(BatchDeleteSessionsResponse { results: results.collect() })
        }
        "ListSessions" => {
            let Page { sessions, next_page_token } = ask!(list, ListSessionsRequest);
            shown!(ListSessionsResponse { sessions: sessions, next_page_token: next_page_token.unwrap_or_default() })
        }
        "CountSessions" => shown!(CountSessionsResponse { count: ask!(count, CountSessionsRequest) }),
        "RevokeSessions" => shown!(RevokeSessionsResponse { revoked: ask!(revoke, RevokeSessionsRequest) }),
        "LockSession" => {
            let Lock { lock_token, expire_time, session } = ask!(lock, LockSessionRequest);
            shown!(LockSessionResponse { lock_token: lock_token, expire_time: Some(expire_time), session: session })
        }
        "UnlockSession" => shown!(UnlockSessionResponse { released: ask!(unlock, UnlockSessionRequest) }),
        "IssueHandoff" => {
            let Handoff { ticket, expire_time } = ask!(issue_handoff, IssueHandoffRequest);
            shown!(IssueHandoffResponse { ticket: ticket, expire_time: Some(expire_time) })
        }
        "RedeemHandoff" => {
            let Redeemed { session_id, session } = ask!(redeem_handoff, RedeemHandoffRequest);
            shown!(RedeemHandoffResponse { session_id: session_id, session: Some(session) })
        }
        "IssueCsrfToken" => shown!(IssueCsrfTokenResponse { token: ask!(issue_csrf_token, IssueCsrfTokenRequest) }),
        "VerifyCsrfToken" => shown!(VerifyCsrfTokenResponse { valid: ask!(verify_csrf_token, VerifyCsrfTokenRequest) }),
        "Admin.GetStatistics" => shown("GetStatisticsResponse", &client.statistics().await?),
        "Admin.SweepNow" => shown!(SweepNowResponse { removed: client.sweep_now().await? }),
        "Admin.Verify" => {
            let mut check = client.verify().await?;
            while let Some(progress) = check.next().await {
                progress?;
            }
            json!({"summary": check.summary().map(|summary| shown("VerifySummary", summary))})
        }
        "Admin.Backup" => {
            let mut backup = client.backup().await?;
            while let Some(part) = backup.next().await {
                part?;
            }
            json!({"summary": backup.summary().map(|summary| shown("BackupSummary", summary))})
        }
        "Admin.Restore" => {
            let part = typed::<proto::RestoreRequest>(method, request).unwrap().data;
            json!({"summary": shown("BackupSummary", &client.restore(tokio_stream::once(part)).await?)})
        }
        other => panic!("the client has no {other}"),
    })
}

fn item(error: &Error) -> ItemError {
    ItemError { reason: error.reason().to_owned(), message: error.to_string() }
}

/// One reply of an exchange.
pub(crate) fn replied(reply: Reply) -> Outcome {
    match reply.result {
        Some(Answer::Error(error)) => {
            Err(described_status(&Status::with_details(Code::from(error.code), error.message, error.details)))
        }
        _ => Ok(shown("Reply", &reply)),
    }
}

/// An event as a message of the contract.
pub(crate) fn event(event: Event) -> Value {
    let Event { resume_token, kind, event_time, session } = event;
    let (kind, event_time, session) = (kind.into(), Some(event_time), Some(session));
    shown!(SessionEvent { resume_token: resume_token, kind: kind, event_time: event_time, session: session })
}
