//! The axum site of the demo. What all sites have in common comes as environment variables: see demo/README.md.

mod account;
mod devices;
mod handoff;
mod pages;
mod user_agent;

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use sessiond_axum::sessiond_client::Client;
use sessiond_axum::{SessionLayer, SettingError};

use pages::Pages;

/// A form of this site is never larger, in bytes.
const LARGEST_FORM: usize = 10 * 1024;

/// The name of this site, a label of the sessions that begin here.
const NAME: &str = "axum";

/// What all requests share.
pub(crate) struct Site {
    pages: Pages,
    /// Where the forum is, such as `https://forum.example`: the audience of the tickets that it takes.
    forum: Option<String>,
}

fn app(client: Client, domain: String, site: Site) -> Result<Router, SettingError> {
    // The shared session: the cookie and the timeout, a day, are those of docs/cookies.md. On the Internet leave insecure_cookie
    // out, and name the cookie "__Secure-session"; the demo has no TLS.
    let sessions = SessionLayer::builder(client)
        .cookie_name("session")
        .cookie_domain(domain)
        .insecure_cookie()
        .labels(user_agent::labels)
        .protect_forms()
        .build()?;
    Ok(Router::new()
        .route("/", get(pages::home))
        .route("/log-in", post(account::log_in))
        .route("/log-out", post(account::log_out))
        .route("/cart", post(account::add_to_cart))
        .route("/devices", get(devices::list))
        .route("/devices/end", post(devices::end))
        .route("/devices/end-others", post(devices::end_others))
        .route("/devices/end-all", post(devices::end_all))
        .route("/handoff", get(handoff::hand_off))
        .layer(middleware::map_response(no_store))
        .layer(sessions)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::new(site)))
}

/// Pages of a visitor are nobody else's.
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A setting of the demo; without it there is no site.
fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: demo/run sets it, and starts this site"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let forum = env::var("DEMO_FORUM").ok().filter(|forum| !forum.is_empty());
    let pages = Pages::new(&setting("DEMO_SITES")?, setting("DEMO_PORTAL")?, forum.clone())?;
    let address = format!("127.0.0.1:{}", setting("DEMO_PORT")?);
    let domain = setting("DEMO_DOMAIN")?;
    // A laptop that builds something meanwhile is no outage: calls may take 5 s at all sites of the demo.
    let client = Client::builder().deadline(Duration::from_secs(5)).connect_lazy()?; // SESSIOND_ADDR
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, app(client, domain, Site { pages, forum })?).await?)
}
