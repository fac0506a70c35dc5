//! A site whose sessions are kept by sessiond: accounts, preferences, messages, devices, forms that can't be forged, every kind
//! of lifetime, and the way to another domain.
//!
//! ```sh
//! cargo run --package sessiond-axum --example site   # http://127.0.0.1:8000, a sessiond at SESSIOND_ADDR or 127.0.0.1:50051
//! ```

mod account;
mod devices;
mod handoff;
mod pages;
mod render;
mod users;

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use sessiond_axum::sessiond_client::Client;
use sessiond_axum::{Lifetime, SessionLayer, SettingError, device_labels};

use render::Pages;
use users::Users;

/// A form of this site is never larger, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// What all requests share.
pub(crate) struct Site {
    users: Users,
    pages: Pages,
    /// Where this site is, such as `https://shop.example`: the audience of the tickets that it takes.
    origin: String,
    /// Where its sister site is; without one there is no way there.
    sister: Option<String>,
}

/// The site, with its sessions.
pub(crate) fn app(client: Client, origin: String, sister: Option<String>) -> Result<Router, SettingError> {
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let sessions = SessionLayer::builder(client)
        .lifetime(Lifetime { idle: Duration::from_secs(2 * 60 * 60), absolute: Some(days(14)), persistent: false })
        .labels(device_labels)
        .protect_forms()
        .insecure_cookie() // For this machine alone: a site on the Internet has TLS, and leaves this out.
        .build()?;
    let site = Site { users: Users::default(), pages: Pages::new(), origin, sister };
    Ok(Router::new()
        .route("/", get(pages::home))
        .route("/preferences", get(pages::preferences).post(pages::save_preferences))
        .route("/guestbook", get(pages::guestbook).post(pages::sign_guestbook))
        .route("/lifetime", get(pages::lifetime).post(pages::set_lifetime))
        .route("/counter", get(pages::counter))
        .route("/error", get(pages::failure))
        .route("/sign-up", get(account::sign_up_form).post(account::sign_up))
        .route("/log-in", get(account::log_in_form).post(account::log_in))
        .route("/log-out", post(account::log_out))
        .route("/password", get(account::password_form).post(account::change_password))
        .route("/new-id", post(account::new_id))
        .route("/devices", get(devices::list))
        .route("/devices/end", post(devices::end))
        .route("/devices/others", post(devices::end_others))
        .route("/go", post(handoff::go))
        .route("/come", get(handoff::come))
        .layer(sessions)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::new(site)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let client = Client::builder().connect_lazy()?; // SESSIOND_ADDR, or 127.0.0.1:50051
    let app = app(client, setting("SITE_ORIGIN", "http://127.0.0.1:8000"), env::var("SISTER_ORIGIN").ok())?;
    let listener = tokio::net::TcpListener::bind(setting("SITE_LISTEN", "127.0.0.1:8000")).await?;
    Ok(axum::serve(listener, app).await?)
}
