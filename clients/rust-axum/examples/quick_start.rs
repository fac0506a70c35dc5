//! The quick start of README.md: a page that counts its visits, and a log-in.

use axum::Router;
use axum::routing::{get, post};
use sessiond_axum::sessiond_client::Client;
use sessiond_axum::{Session, SessionLayer, SettingError};

async fn visits(session: Session) -> String {
    let visits = session.get::<u64>("visits").unwrap_or(0) + 1;
    session.insert_value("visits", i64::try_from(visits).unwrap_or(i64::MAX));
    format!("visit {visits}")
}

async fn log_in(session: Session) -> &'static str {
    session.log_in("user-42"); // A new ID and the user, in one atomic step.
    "welcome"
}

pub(crate) fn app(client: Client) -> Result<Router, SettingError> {
    let sessions = SessionLayer::builder(client).insecure_cookie().build()?; // insecure: without TLS, on this machine
    Ok(Router::new().route("/", get(visits)).route("/log-in", post(log_in)).layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().connect_lazy()?; // SESSIOND_ADDR, or 127.0.0.1:50051
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    Ok(axum::serve(listener, app(client)?).await?)
}
