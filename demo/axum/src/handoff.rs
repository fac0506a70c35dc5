//! The way to the forum, which is on another domain, in the same session.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use sessiond_axum::{Error, Session};

use crate::Site;

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    state: String,
}

/// Hands the session to the forum: a ticket for it alone, good once and for 30 s.
pub(crate) async fn hand_off(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(Asked { state }): Query<Asked>,
) -> Result<Response, Error> {
    let Some(forum) = site.forum.as_ref().filter(|_| session.principal().is_some()) else {
        return Ok(Redirect::to("/").into_response());
    };
    let ticket = session.issue_handoff(forum).await?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("ticket", &ticket)
        .append_pair("state", &state)
        .finish();
    let there = Redirect::to(&format!("{forum}/return?{query}"));
    Ok(([(header::REFERRER_POLICY, "no-referrer")], there).into_response())
}
