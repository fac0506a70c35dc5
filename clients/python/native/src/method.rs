//! A call by the name of its method.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sessiond_client::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, CountSessionsRequest, CreateSessionRequest,
    DeleteSessionRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueHandoffRequest, ListSessionsRequest,
    LockSessionRequest, RedeemHandoffRequest, RevokeSessionsRequest, RotateSessionRequest, TouchSessionRequest,
    UnlockSessionRequest, UpdateSessionRequest, VerifyCsrfTokenRequest,
};
use sessiond_client::{Client, Error, Health, Rpc, Statistics};

use crate::message::{FromPlain as _, IntoPlain as _};

macro_rules! methods {
    ($($variant:ident: $name:literal => $request:ident;)*) => {
        /// A call that is to be made.
        pub(crate) enum Call {
            $($variant($request),)*
            Health(String),
            Statistics,
            Sweep,
        }

        /// What a call led to.
        pub(crate) enum Answer {
            $($variant(<$request as Rpc>::Response),)*
            Health(Health),
            Statistics(Box<Statistics>),
            Sweep(u64),
        }

        impl Call {
            /// The call of this method with a request in plain form.
            pub(crate) fn new(method: &str, request: &Bound<'_, PyDict>) -> PyResult<Self> {
                Ok(match method {
                    $($name => Self::$variant($request::from_plain(request)?),)*
                    "CheckHealth" => {
                        let service = request.get_item("service")?;
                        Self::Health(service.map_or(Ok(String::new()), |name| name.extract())?)
                    }
                    "GetStatistics" => Self::Statistics,
                    "SweepNow" => Self::Sweep,
                    _ => return Err(PyValueError::new_err(format!("{method:?} is no method"))),
                })
            }

            pub(crate) async fn make(self, client: Client) -> Result<Answer, Error> {
                Ok(match self {
                    $(Self::$variant(request) => Answer::$variant(client.rpc(request).await?),)*
                    Self::Health(service) => Answer::Health(client.health(service).await?),
                    Self::Statistics => Answer::Statistics(Box::new(client.statistics().await?)),
                    Self::Sweep => Answer::Sweep(client.sweep_now().await?),
                })
            }
        }

        impl Answer {
            /// The response in plain form.
            pub(crate) fn into_plain(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
                let dict = match self {
                    $(Self::$variant(response) => return response.into_plain(py),)*
                    Self::Statistics(statistics) => return statistics.into_plain(py),
                    Self::Health(_) | Self::Sweep(_) => PyDict::new(py),
                };
                match self {
                    // The numbers of grpc.health.v1.
                    Self::Health(Health::Serving) => dict.set_item("status", 1)?,
                    Self::Health(Health::NotServing) => dict.set_item("status", 2)?,
                    Self::Health(Health::UnknownService) => dict.set_item("status", 3)?,
                    Self::Sweep(removed) => dict.set_item("removed", removed)?,
                    _ => {}
                }
                Ok(dict)
            }
        }
    };
}

methods! {
    Get: "GetSession" => GetSessionRequest;
    Update: "UpdateSession" => UpdateSessionRequest;
    Touch: "TouchSession" => TouchSessionRequest;
    Create: "CreateSession" => CreateSessionRequest;
    Rotate: "RotateSession" => RotateSessionRequest;
    Delete: "DeleteSession" => DeleteSessionRequest;
    BatchGet: "BatchGetSessions" => BatchGetSessionsRequest;
    BatchDelete: "BatchDeleteSessions" => BatchDeleteSessionsRequest;
    List: "ListSessions" => ListSessionsRequest;
    Count: "CountSessions" => CountSessionsRequest;
    Revoke: "RevokeSessions" => RevokeSessionsRequest;
    Lock: "LockSession" => LockSessionRequest;
    Unlock: "UnlockSession" => UnlockSessionRequest;
    IssueHandoff: "IssueHandoff" => IssueHandoffRequest;
    RedeemHandoff: "RedeemHandoff" => RedeemHandoffRequest;
    IssueCsrfToken: "IssueCsrfToken" => IssueCsrfTokenRequest;
    VerifyCsrfToken: "VerifyCsrfToken" => VerifyCsrfTokenRequest;
}
