//! Accounts: sign up, log in, log out, another password.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use sessiond_axum::{Error, Lifetime, Session};

use super::Site;
use super::render::{Field, log_in_first, tell};

const HOUR: Duration = Duration::from_secs(60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a visitor can stay logged in.
const REMEMBER: [(&str, &str); 4] = [
    ("default", "As the site has it"),
    ("close", "Until the browser closes"),
    ("idle", "Until I am away for an hour"),
    ("month", "For 30 days"),
];

#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    remember: String,
}

fn credentials(name: &str) -> Vec<Field> {
    vec![Field::new("name", "Name", "text").value(name), Field::new("password", "Password", "password")]
}

fn log_in_fields(name: &str) -> Vec<Field> {
    let mut fields = credentials(name);
    fields.push(Field::new("remember", "Stay logged in", "select").choice(REMEMBER));
    fields
}

/// Hashing a password takes long on purpose: other requests must not wait for it.
async fn hashing<T: Send + 'static>(site: &Arc<Site>, work: impl FnOnce(&Site) -> T + Send + 'static) -> T {
    let site = Arc::clone(site);
    tokio::task::spawn_blocking(move || work(&site)).await.expect("hashing does not panic")
}

pub(crate) async fn sign_up_form(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    site.form(&session, "Sign up", None, credentials("")).await
}

pub(crate) async fn sign_up(
    State(site): State<Arc<Site>>,
    session: Session,
    Form(Credentials { name, password, .. }): Form<Credentials>,
) -> Result<Response, Error> {
    let user = name.clone();
    if let Err(problem) = hashing(&site, move |site| site.users.add(&user, &password)).await {
        return site.form(&session, "Sign up", Some(problem), credentials(&name)).await;
    }
    session.log_in(name);
    Ok(tell(&session, "/", "Welcome!"))
}

pub(crate) async fn log_in_form(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    site.form(&session, "Log in", None, log_in_fields("")).await
}

pub(crate) async fn log_in(
    State(site): State<Arc<Site>>,
    session: Session,
    Form(Credentials { name, password, remember }): Form<Credentials>,
) -> Result<Response, Error> {
    let user = name.clone();
    if !hashing(&site, move |site| site.users.knows(&user, &password)).await {
        return site.form(&session, "Log in", Some("Name or password is wrong."), log_in_fields(&name)).await;
    }
    let message = format!("Hello, {name}.");
    // A new ID in the same step: what an attacker knew of the session is worth nothing.
    session.log_in(name);
    match remember.as_str() {
        "close" => session.set_lifetime(Lifetime::default()),
        "idle" => session.set_lifetime(Lifetime { idle: HOUR, absolute: None, persistent: true }),
        "month" => session.set_lifetime(Lifetime { idle: MONTH, absolute: Some(MONTH), persistent: true }),
        _ => {}
    }
    Ok(tell(&session, "/", &message))
}

pub(crate) async fn log_out(session: Session) -> Redirect {
    session.log_out();
    Redirect::to("/")
}

#[derive(Deserialize)]
pub(crate) struct Passwords {
    old: String,
    new: String,
}

fn passwords() -> Vec<Field> {
    vec![Field::new("old", "Old password", "password"), Field::new("new", "New password", "password")]
}

pub(crate) async fn password_form(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    if session.principal().is_none() {
        return Ok(log_in_first(&session));
    }
    site.form(&session, "Password", None, passwords()).await
}

pub(crate) async fn change_password(
    State(site): State<Arc<Site>>,
    session: Session,
    Form(Passwords { old, new }): Form<Passwords>,
) -> Result<Response, Error> {
    let Some(name) = session.principal() else { return Ok(log_in_first(&session)) };
    let change = move |site: &Site| {
        if site.users.knows(&name, &old) { site.users.change(&name, &new) } else { Err("The old password is wrong.") }
    };
    if let Err(problem) = hashing(&site, change).await {
        return site.form(&session, "Password", Some(problem), passwords()).await;
    }
    // Whoever knew the old password is logged out.
    session.end_others().await?;
    session.renew();
    Ok(tell(&session, "/", "The password is new, and your other devices are logged out."))
}

pub(crate) async fn new_id(session: Session) -> Response {
    session.renew();
    tell(&session, "/", "The session has a new ID and the same values.").into_response()
}
