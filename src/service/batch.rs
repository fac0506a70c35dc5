//! Many sessions in one call, with a result for each.

use super::answer::session;
use super::store::StoreService;
use super::{request, status};
use crate::model::SessionId;
use crate::proto::batch_get_sessions_result::Result as GetResult;
use crate::proto::{
    BatchDeleteSessionsRequest, BatchDeleteSessionsResponse, BatchDeleteSessionsResult, BatchGetSessionsRequest,
    BatchGetSessionsResponse, BatchGetSessionsResult,
};
use crate::session::Error;
use prost::Message;
use tonic::Status;

/// Room in the answer for what is not sessions.
const ENVELOPE_BYTES: usize = 4 << 10;

impl StoreService {
    pub(super) async fn batch_get(&self, request: BatchGetSessionsRequest) -> Result<BatchGetSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let access = request::access(request.access)?;
        let (ids, parsed) = parse(request.session_ids)?;
        let found = sessions.get_many(&namespace, &ids, access).await?;
        let mut room = self.limits.max_message_bytes.saturating_sub(ENVELOPE_BYTES);
        let results = merge(parsed, found).map(|result| {
            let result = match result.map(session) {
                Ok(session) if session.encoded_len() <= room => {
                    room -= session.encoded_len();
                    GetResult::Session(session)
                }
                Ok(_) => GetResult::Error(status::batch_too_large()),
                Err(error) => GetResult::Error(status::item_error(error)),
            };
            BatchGetSessionsResult { result: Some(result) }
        });
        Ok(BatchGetSessionsResponse { results: results.collect() })
    }

    pub(super) async fn batch_delete(
        &self,
        request: BatchDeleteSessionsRequest,
    ) -> Result<BatchDeleteSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let (ids, parsed) = parse(request.session_ids)?;
        let deleted = sessions.delete_many(&namespace, &ids).await?;
        let results = merge(parsed, deleted).map(|result| match result {
            Ok(deleted) => BatchDeleteSessionsResult { deleted, error: None },
            Err(error) => BatchDeleteSessionsResult { deleted: false, error: Some(status::item_error(error)) },
        });
        Ok(BatchDeleteSessionsResponse { results: results.collect() })
    }
}

/// The IDs that are well formed, and for each ID of the request what is wrong with it.
fn parse(ids: Vec<String>) -> Result<(Vec<SessionId>, Vec<Option<Error>>), Error> {
    request::check_batch("session_ids", ids.len())?;
    let mut well_formed = Vec::with_capacity(ids.len());
    let parsed = ids.into_iter().enumerate().map(|(at, id)| match request::session_id("session_ids", id) {
        Ok(id) => {
            well_formed.push(id);
            None
        }
        Err(Error::Invalid { field, problem }) => Some(Error::Invalid { field: format!("{field}[{at}]"), problem }),
        Err(error) => Some(error),
    });
    let parsed = parsed.collect();
    Ok((well_formed, parsed))
}

/// Puts the results of the well-formed IDs into the places of the request.
fn merge<T>(parsed: Vec<Option<Error>>, results: Vec<Result<T, Error>>) -> impl Iterator<Item = Result<T, Error>> {
    let mut results = results.into_iter();
    parsed.into_iter().filter_map(move |malformed| malformed.map(Err).or_else(|| results.next()))
}
