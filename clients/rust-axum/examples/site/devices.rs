//! The devices on which a user is logged in.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use serde::Deserialize;
use sessiond_axum::{Error, Session};

use super::Site;
use super::render::{log_in_first, tell};

pub(crate) async fn list(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let devices = match session.devices().await {
        Err(Error::Nobody) => return Ok(log_in_first(&session)),
        devices => devices?,
    };
    let devices = devices.into_iter().map(|device| {
        let seen = device.session.last_access_time.map(|time| time.to_string());
        let name = device.session.labels.get("device").cloned();
        context! { name, seen, handle => device.session.handle, is_current => device.is_current }
    });
    let content = context! { title => "Devices", devices => devices.collect::<Vec<_>>() };
    site.show(&session, StatusCode::OK, "devices.html", content).await
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    handle: String,
}

pub(crate) async fn end(session: Session, Form(chosen): Form<Chosen>) -> Result<Response, Error> {
    let message = match session.end_device(&chosen.handle).await {
        Err(Error::Nobody) => return Ok(log_in_first(&session)),
        Ok(true) => "The device is logged out.",
        Ok(false) => "There is no such device.",
        Err(error) => return Err(error),
    };
    Ok(tell(&session, "/devices", message))
}

pub(crate) async fn end_others(session: Session) -> Result<Response, Error> {
    match session.end_others().await {
        Err(Error::Nobody) => return Ok(log_in_first(&session)),
        ended => ended?,
    };
    Ok(tell(&session, "/devices", "All other devices are logged out."))
}
