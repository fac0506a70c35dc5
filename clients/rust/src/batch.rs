//! Many sessions in one call, with a result for each.

use crate::Address;
use crate::client::Client;
use crate::error::Error;
use crate::proto::batch_get_sessions_result::Result as GetResult;
use crate::proto::{
    Access, BatchDeleteSessionsRequest, BatchDeleteSessionsResult, BatchGetSessionsRequest, BatchGetSessionsResult,
    Session,
};

impl BatchGetSessionsRequest {
    /// Reads the sessions of these IDs, 1 to 1,000, and slides their idle timeouts.
    #[must_use]
    pub fn new<T: Into<String>>(ids: impl IntoIterator<Item = T>) -> Self {
        Self { session_ids: ids.into_iter().map(Into::into).collect(), access: Access::Touch.into(), ..Self::default() }
    }

    /// Reads that change nothing.
    #[must_use]
    pub fn peek(mut self) -> Self {
        self.access = Access::Peek.into();
        self
    }
}

impl BatchDeleteSessionsRequest {
    /// Ends the sessions of these IDs, 1 to 1,000.
    #[must_use]
    pub fn new<T: Into<String>>(ids: impl IntoIterator<Item = T>) -> Self {
        Self { session_ids: ids.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// One result of a batch: what a call for this item alone would have answered.
trait ItemResult {
    type Item;

    fn item(self, address: &Address) -> Result<Self::Item, Error>;
}

impl ItemResult for BatchGetSessionsResult {
    type Item = Session;

    fn item(self, address: &Address) -> Result<Session, Error> {
        match self.result {
            Some(GetResult::Session(session)) => Ok(session),
            Some(GetResult::Error(error)) => Err(Error::from_item(&error, address)),
            None => Err(Error::incomplete(address)),
        }
    }
}

impl ItemResult for BatchDeleteSessionsResult {
    type Item = bool;

    fn item(self, address: &Address) -> Result<bool, Error> {
        match self.error {
            Some(error) => Err(Error::from_item(&error, address)),
            None => Ok(self.deleted),
        }
    }
}

/// The results of `count` items. They are matched to the IDs by their places, so none may be missing.
fn items<R: ItemResult>(
    results: Vec<R>,
    count: usize,
    address: &Address,
) -> Result<Vec<Result<R::Item, Error>>, Error> {
    if results.len() != count {
        return Err(Error::incomplete(address));
    }
    Ok(results.into_iter().map(|result| result.item(address)).collect())
}

impl Client {
    /// Reads many sessions at once: one result for each ID, in the order of the request.
    pub async fn batch_get(&self, mut request: BatchGetSessionsRequest) -> Result<Vec<Result<Session, Error>>, Error> {
        self.fill_namespace(&mut request.namespace);
        let count = request.session_ids.len();
        let response =
            self.store(request, |mut stub, request| async move { stub.batch_get_sessions(request).await }).await?;
        items(response.results, count, self.address())
    }

    /// Ends many sessions at once, in one atomic step: one result for each ID, in the order of the request; true if this
    /// call ended the session, false if there was none.
    pub async fn batch_delete(
        &self,
        mut request: BatchDeleteSessionsRequest,
    ) -> Result<Vec<Result<bool, Error>>, Error> {
        self.fill_namespace(&mut request.namespace);
        let count = request.session_ids.len();
        let response =
            self.store(request, |mut stub, request| async move { stub.batch_delete_sessions(request).await }).await?;
        items(response.results, count, self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ItemError;

    #[test]
    fn results_stand_in_their_places() {
        let address = "127.0.0.1:50051".parse().expect("an address");
        let results = || {
            let error = ItemError { reason: "SESSION_NOT_FOUND".to_owned(), ..ItemError::default() };
            let result = |result| BatchGetSessionsResult { result: Some(result) };
            vec![result(GetResult::Session(Session::default())), result(GetResult::Error(error))]
        };
        let expected = Ok(vec![Ok(Session::default()), Err(Error::SessionNotFound)]);
        assert_eq!(items(results(), 2, &address), expected);
        assert_eq!(items(results(), 3, &address), Err(Error::incomplete(&address)));
    }
}
