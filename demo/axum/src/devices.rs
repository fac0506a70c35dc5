//! The devices on which a user is logged in.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use minijinja::context;
use serde::Deserialize;
use sessiond_axum::{Error, Session};

use crate::Site;
use crate::pages::moment;

pub(crate) async fn list(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let devices = match session.devices().await {
        Err(Error::Nobody) => return Ok(Redirect::to("/").into_response()),
        devices => devices?,
    };
    let devices = devices.into_iter().map(|device| {
        let last_active = moment(device.session.last_access_time);
        context! { labels => device.session.labels, handle => device.session.handle, is_current => device.is_current, last_active }
    });
    site.pages.show(&session, "devices.html", context! { devices => devices.collect::<Vec<_>>() }).await
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    handle: String,
}

pub(crate) async fn end(session: Session, Form(Chosen { handle }): Form<Chosen>) -> Result<Redirect, Error> {
    then("/devices", session.end_device(&handle).await)
}

pub(crate) async fn end_others(session: Session) -> Result<Redirect, Error> {
    then("/devices", session.end_others().await)
}

pub(crate) async fn end_all(session: Session) -> Result<Redirect, Error> {
    then("/", session.end_all().await)
}

/// Where the visitor goes then; to the log-in, if nobody is logged in.
fn then<T>(to: &str, ended: Result<T, Error>) -> Result<Redirect, Error> {
    match ended {
        Err(Error::Nobody) => Ok(Redirect::to("/")),
        ended => ended.map(|_| Redirect::to(to)),
    }
}
