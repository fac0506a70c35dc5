//! The way to the sister site, on another domain, in the same session.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use sessiond_axum::{Error, Session};

use super::Site;
use super::render::tell;

/// Takes the visitor's session to the sister site.
pub(crate) async fn go(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let Some(sister) = &site.sister else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let ticket = session.issue_handoff(sister).await?;
    let there = Redirect::to(&format!("{sister}/come?ticket={ticket}"));
    Ok(([(header::REFERRER_POLICY, "no-referrer")], there).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Ticket {
    ticket: String,
}

/// Takes over the session of a visitor whom the sister site sends.
pub(crate) async fn come(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(Ticket { ticket }): Query<Ticket>,
) -> Result<Response, Error> {
    match session.redeem_handoff(&ticket, &site.origin).await {
        Err(Error::HandoffInvalid) => Ok(tell(&session, "/", "The way here was used before, or took too long.")),
        redeemed => redeemed.map(|()| Redirect::to("/").into_response()),
    }
}
