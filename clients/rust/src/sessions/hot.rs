//! The calls on single sessions, which travel over the fast lane where there is one.

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::proto::call::Method;
use crate::proto::reply::Result as Answer;
use crate::proto::session_store_client::SessionStoreClient;
use crate::proto::{
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse, GetSessionRequest,
    GetSessionResponse, RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, TouchSessionResponse,
    UpdateSessionRequest, UpdateSessionResponse,
};

/// A request that both ways can carry.
pub(crate) trait HotCall: Clone {
    type Response;

    /// Whether carrying it out twice is the same as once.
    const IS_IDEMPOTENT: bool;

    fn into_method(self) -> Method;

    /// The response, if the answer is one to this call.
    fn response(answer: Answer) -> Option<Self::Response>;

    fn unary(
        stub: SessionStoreClient<Channel>,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;
}

macro_rules! hot_calls {
    ($($request:ident => $response:ident, $variant:ident, $method:ident, idempotent: $idempotent:literal;)*) => {$(
        impl HotCall for $request {
            type Response = $response;

            const IS_IDEMPOTENT: bool = $idempotent;

            fn into_method(self) -> Method {
                Method::$variant(self)
            }

            fn response(answer: Answer) -> Option<$response> {
                match answer {
                    Answer::$variant(response) => Some(response),
                    _ => None,
                }
            }

            async fn unary(
                mut stub: SessionStoreClient<Channel>,
                request: Request<Self>,
            ) -> Result<Response<$response>, Status> {
                stub.$method(request).await
            }
        }
    )*};
}

hot_calls! {
    CreateSessionRequest => CreateSessionResponse, Create, create_session, idempotent: false;
    GetSessionRequest => GetSessionResponse, Get, get_session, idempotent: true;
    UpdateSessionRequest => UpdateSessionResponse, Update, update_session, idempotent: false;
    TouchSessionRequest => TouchSessionResponse, Touch, touch_session, idempotent: true;
    RotateSessionRequest => RotateSessionResponse, Rotate, rotate_session, idempotent: false;
    DeleteSessionRequest => DeleteSessionResponse, Delete, delete_session, idempotent: false;
}
