//! The middleware: it loads the session before the handler, and stores what the handler has changed before the response
//! begins.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::extract::Request;
use axum_core::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use sessiond_client::Client;
use tower_layer::Layer;
use tower_service::Service;

use crate::csrf;
use crate::error::Error;
use crate::manager::{Manager, SessionLayerBuilder};

/// Gives each request of a router its [`Session`](crate::Session).
#[derive(Debug, Clone)]
pub struct SessionLayer(Arc<Manager>);

impl SessionLayer {
    /// Settings for a layer whose sessions this client keeps.
    #[must_use]
    pub fn builder(client: Client) -> SessionLayerBuilder {
        SessionLayerBuilder::new(client)
    }

    pub(crate) fn new(manager: Arc<Manager>) -> Self {
        Self(manager)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, manager: Arc::clone(&self.0) }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    manager: Arc<Manager>,
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that was found ready takes this request; its clone waits for the next.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let manager = Arc::clone(&self.manager);
        Box::pin(async move {
            let mut response = handle(inner, &manager, request).await.unwrap_or_else(failed);
            response.headers_mut().append(header::VARY, HeaderValue::from_static("cookie"));
            Ok(response)
        })
    }
}

async fn handle<S>(mut inner: S, manager: &Arc<Manager>, request: Request<Body>) -> Result<Response, Error>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let (parts, body) = request.into_parts();
    let session = manager.load(&parts).await?;
    let mut request = Request::from_parts(parts, body);
    if manager.protects_forms {
        request = match csrf::check(&session, request).await? {
            Ok(request) => request,
            Err(refused) => return Ok(refused),
        };
    }
    request.extensions_mut().insert(session.clone());
    let Ok(mut response) = inner.call(request).await;
    // A request that failed has not done its work: only a log-out is kept.
    let stores = !response.status().is_server_error();
    session.save(stores, response.headers_mut()).await?;
    Ok(response)
}

fn failed(error: Error) -> Response {
    // A page that lost a race against a log-out is nothing to look into.
    if error == Error::Ended {
        tracing::info!(%error, "the session can't be stored");
    } else {
        tracing::error!(%error, "the session can't be loaded or stored");
    }
    error.into_response()
}
