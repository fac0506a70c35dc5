//! Any call of the contract, by its request.

use crate::client::Client;
use crate::error::Error;
use crate::proto::{
    BatchDeleteSessionsRequest, BatchDeleteSessionsResponse, BatchGetSessionsRequest, BatchGetSessionsResponse,
    CountSessionsRequest, CountSessionsResponse, CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest,
    DeleteSessionResponse, GetSessionRequest, GetSessionResponse, IssueCsrfTokenRequest, IssueCsrfTokenResponse,
    IssueHandoffRequest, IssueHandoffResponse, ListSessionsRequest, ListSessionsResponse, LockSessionRequest,
    LockSessionResponse, RedeemHandoffRequest, RedeemHandoffResponse, RevokeSessionsRequest, RevokeSessionsResponse,
    RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, TouchSessionResponse, UnlockSessionRequest,
    UnlockSessionResponse, UpdateSessionRequest, UpdateSessionResponse, VerifyCsrfTokenRequest,
    VerifyCsrfTokenResponse,
};

mod private {
    pub trait Sealed {}
}

/// A request of the contract whose answer is a single response.
pub trait Rpc: private::Sealed + Sized {
    /// What the server answers.
    type Response;

    /// Makes the call; see [`Client::rpc`].
    #[doc(hidden)]
    fn call(self, client: &Client) -> impl Future<Output = Result<Self::Response, Error>> + Send;
}

impl Client {
    /// Makes a call as the contract has it, the response as it came. For bindings of other languages and for tools; the
    /// other methods of the client check what the response holds.
    pub async fn rpc<Q: Rpc>(&self, request: Q) -> Result<Q::Response, Error> {
        request.call(self).await
    }
}

macro_rules! rpcs {
    ($($request:ident => $response:ident;)*) => {$(
        impl private::Sealed for $request {}

        impl Rpc for $request {
            type Response = $response;

            async fn call(mut self, client: &Client) -> Result<$response, Error> {
                client.fill_namespace(&mut self.namespace);
                client.hot(self).await
            }
        }
    )*};
    ($($request:ident => $response:ident, $method:ident;)*) => {$(
        impl private::Sealed for $request {}

        impl Rpc for $request {
            type Response = $response;

            async fn call(mut self, client: &Client) -> Result<$response, Error> {
                client.fill_namespace(&mut self.namespace);
                client.store(self, |mut stub, request| async move { stub.$method(request).await }).await
            }
        }
    )*};
}

rpcs! {
    CreateSessionRequest => CreateSessionResponse;
    GetSessionRequest => GetSessionResponse;
    UpdateSessionRequest => UpdateSessionResponse;
    TouchSessionRequest => TouchSessionResponse;
    RotateSessionRequest => RotateSessionResponse;
    DeleteSessionRequest => DeleteSessionResponse;
}

rpcs! {
    BatchGetSessionsRequest => BatchGetSessionsResponse, batch_get_sessions;
    BatchDeleteSessionsRequest => BatchDeleteSessionsResponse, batch_delete_sessions;
    ListSessionsRequest => ListSessionsResponse, list_sessions;
    CountSessionsRequest => CountSessionsResponse, count_sessions;
    RevokeSessionsRequest => RevokeSessionsResponse, revoke_sessions;
    LockSessionRequest => LockSessionResponse, lock_session;
    UnlockSessionRequest => UnlockSessionResponse, unlock_session;
    IssueHandoffRequest => IssueHandoffResponse, issue_handoff;
    RedeemHandoffRequest => RedeemHandoffResponse, redeem_handoff;
    IssueCsrfTokenRequest => IssueCsrfTokenResponse, issue_csrf_token;
    VerifyCsrfTokenRequest => VerifyCsrfTokenResponse, verify_csrf_token;
}
