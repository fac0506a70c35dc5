//! Pages that keep something in the session.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use serde::{Deserialize, Serialize};
use sessiond_axum::{Error, Lifetime, Session};

use super::Site;
use super::render::{Field, tell};

pub(crate) async fn home(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let visits = session.get::<i64>("visits").unwrap_or(0) + 1;
    session.insert_value("visits", visits);
    let items: Vec<_> =
        session.names().into_iter().filter_map(|name| Some((session.get::<serde_json::Value>(&name)?, name))).collect();
    let items: Vec<_> = items.into_iter().map(|(value, name)| (name, value.to_string())).collect();
    let end = session.stored().and_then(|stored| stored.expire_time).map(|time| time.to_string());
    site.show(&session, StatusCode::OK, "home.html", context! { title => "sessiond example", items, end }).await
}

/// A value of the site's own type.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Preferences {
    pub(crate) theme: String,
    language: String,
}

pub(crate) async fn preferences(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let Preferences { theme, language } = session.get("preferences").unwrap_or_default();
    let fields = vec![
        Field::new("theme", "Theme", "select").choice([("light", "Light"), ("dark", "Dark")]).value(theme),
        Field::new("language", "Language", "select")
            .choice([("en", "English"), ("de", "Deutsch"), ("fr", "Français")])
            .value(language),
    ];
    site.form(&session, "Preferences", None, fields).await
}

pub(crate) async fn save_preferences(session: Session, Form(preferences): Form<Preferences>) -> Response {
    match session.insert("preferences", preferences) {
        Ok(()) => tell(&session, "/preferences", "Saved."),
        Err(_) => tell(&session, "/preferences", "These can't be saved."),
    }
}

pub(crate) async fn guestbook(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    site.form(&session, "Guestbook", None, vec![Field::new("text", "Text", "text")]).await
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    text: String,
}

/// Takes one entry of each visitor.
pub(crate) async fn sign_guestbook(session: Session, Form(entry): Form<Entry>) -> Response {
    if session.get::<bool>("has_signed").is_some() {
        return tell(&session, "/guestbook", "You have signed already.");
    }
    session.insert_value("has_signed", true);
    tell(&session, "/guestbook", &format!("Thanks for “{}”.", entry.text))
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long a session can last.
const LIFETIMES: [(&str, Lifetime); 3] = [
    ("two hours idle", Lifetime { idle: Duration::from_secs(2 * 60 * 60), absolute: None, persistent: false }),
    ("an hour in all", Lifetime { idle: HOUR, absolute: Some(HOUR), persistent: true }),
    ("a second idle", Lifetime { idle: Duration::from_secs(1), absolute: None, persistent: false }),
];

pub(crate) async fn lifetime(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let choices = LIFETIMES.map(|(name, _)| (name, name));
    let field = Field::new("lifetime", "This session lasts", "select").choice(choices);
    site.form(&session, "Lifetime", None, vec![field]).await
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    lifetime: String,
}

pub(crate) async fn set_lifetime(session: Session, Form(wanted): Form<Wanted>) -> Response {
    let Some((_, lifetime)) = LIFETIMES.into_iter().find(|(name, _)| *name == wanted.lifetime) else {
        return tell(&session, "/lifetime", "There is no such lifetime.");
    };
    session.set_lifetime(lifetime);
    tell(&session, "/", "It was changed.")
}

#[derive(Serialize)]
pub(crate) struct Count {
    count: i64,
}

/// For a script.
pub(crate) async fn counter(session: Session) -> Json<Count> {
    let count = session.get::<i64>("count").unwrap_or(0) + 1;
    session.insert_value("count", count);
    Json(Count { count })
}

/// Nothing is stored when a page has failed.
pub(crate) async fn failure(session: Session) -> StatusCode {
    session.insert_value("saved_in_spite_of_an_error", true);
    StatusCode::INTERNAL_SERVER_ERROR
}
