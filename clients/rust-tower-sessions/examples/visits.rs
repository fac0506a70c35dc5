//! The quick start of README.md: a page that counts its visits.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_sessiond_store::SessiondStore;
use tower_sessions_sessiond_store::sessiond_client::Client;

async fn visits(session: Session) -> Result<String, StatusCode> {
    let unavailable = |_| StatusCode::SERVICE_UNAVAILABLE;
    let visits = session.get::<u64>("visits").await.map_err(unavailable)?.unwrap_or(0) + 1;
    session.insert("visits", visits).await.map_err(unavailable)?;
    Ok(format!("visit {visits}"))
}

pub(crate) fn app(client: Client) -> Router {
    let sessions = SessionManagerLayer::new(SessiondStore::new(client));
    Router::new().route("/", get(visits)).layer(sessions)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().connect_lazy()?; // SESSIOND_ADDR, or 127.0.0.1:50051
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    Ok(axum::serve(listener, app(client)).await?)
}
