//! Many sessions in one call, with a result for each.

use crate::authorization::{Caller, Permission};
use crate::model::SessionId;
use crate::proto::batch_get_sessions_result::Result as GetResult;
use crate::proto::{
    BatchDeleteSessionsRequest, BatchDeleteSessionsResponse, BatchDeleteSessionsResult, BatchGetSessionsRequest,
    BatchGetSessionsResponse, BatchGetSessionsResult, ItemError,
};
use crate::service::convert::answer::seen_session;
use crate::service::convert::request;
use crate::service::errors::status;
use crate::service::store::StoreService;
use crate::session::Error;
use tonic::Status;

/// The most that a result without a text takes in an answer.
const BARE_RESULT_BYTES: usize = 40;

/// Room for the texts of errors. Errors beyond it have only a reason.
struct ErrorRoom(usize);

impl ErrorRoom {
    fn fit(&mut self, error: impl Into<Status>) -> ItemError {
        let mut item = status::item_error(error);
        match self.0.checked_sub(item.message.len() + 8) {
            Some(left) => self.0 = left,
            None => item.message.clear(),
        }
        item
    }
}

impl StoreService {
    pub(in crate::service) async fn batch_get(
        &self,
        caller: &Caller,
        request: BatchGetSessionsRequest,
    ) -> Result<BatchGetSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let access = request::access(request.access)?;
        let (ids, parsed) = parse(request.session_ids)?;
        let room = self.limits.answer_bytes().saturating_sub(parsed.len() * BARE_RESULT_BYTES);
        let found = sessions.get_many(&namespace, &ids, access, room).await?;
        caller.note(|notes| notes.sessions = Some(found.iter().flatten().count() as u64));
        let refused = self.guesses.note(caller, failed_lookups(&found)).await.err();
        let taken: usize = found.iter().flatten().map(|seen| seen.record.answer_size()).sum();
        let mut errors = ErrorRoom(room.saturating_sub(taken));
        let results = merge(parsed, found).map(|result| BatchGetSessionsResult {
            result: Some(match result {
                Ok(seen) => GetResult::Session(seen_session(&seen, true)),
                Err(error) => GetResult::Error(match refused {
                    Some(refusal) if matches!(error, Error::NotFound) => errors.fit(refusal),
                    _ => errors.fit(error),
                }),
            }),
        });
        Ok(BatchGetSessionsResponse { results: results.collect() })
    }

    pub(in crate::service) async fn batch_delete(
        &self,
        caller: &Caller,
        request: BatchDeleteSessionsRequest,
    ) -> Result<BatchDeleteSessionsResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let (ids, parsed) = parse(request.session_ids)?;
        let deleted = sessions.delete_many(&namespace, &ids).await?;
        let failed = deleted.iter().filter(|deleted| matches!(deleted, Ok(false))).count();
        let ended = deleted.iter().filter(|deleted| matches!(deleted, Ok(true))).count();
        caller.note(|notes| notes.sessions = Some(ended as u64));
        // What was ended is told all the same.
        let refused = self.guesses.note(caller, failed).await.err();
        let room = self.limits.answer_bytes().saturating_sub(parsed.len() * BARE_RESULT_BYTES);
        let mut errors = ErrorRoom(room);
        let results = merge(parsed, deleted).map(|result| match (result, refused) {
            (Ok(false), Some(refusal)) => {
                BatchDeleteSessionsResult { deleted: false, error: Some(errors.fit(refusal)) }
            }
            (Ok(deleted), _) => BatchDeleteSessionsResult { deleted, error: None },
            (Err(error), _) => BatchDeleteSessionsResult { deleted: false, error: Some(errors.fit(error)) },
        });
        Ok(BatchDeleteSessionsResponse { results: results.collect() })
    }
}

fn failed_lookups<T>(found: &[Result<T, Error>]) -> usize {
    found.iter().filter(|found| matches!(found, Err(Error::NotFound))).count()
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

/// The results in the order of the request: of the well-formed IDs, and the errors of the others.
fn merge<T>(parsed: Vec<Option<Error>>, results: Vec<Result<T, Error>>) -> impl Iterator<Item = Result<T, Error>> {
    let mut results = results.into_iter();
    parsed.into_iter().filter_map(move |malformed| malformed.map(Err).or_else(|| results.next()))
}
