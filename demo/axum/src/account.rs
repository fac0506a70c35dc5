//! Logging in and out, and the cart.

use axum::extract::Form;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};
use sessiond_axum::Session;

use crate::NAME;

/// Who can log in: the principal, which every site knows a user by, and the name.
pub(crate) const USERS: [(&str, &str); 3] =
    [("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("alan", "Alan Turing")];

pub(crate) const PRODUCTS: [&str; 3] = ["Teapot", "Cup", "Green tea"];

/// The attribute `user`.
#[derive(Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) name: String,
}

/// A line of the attribute `cart`.
#[derive(Deserialize, Serialize)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) site: String,
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    user: String,
}

pub(crate) async fn log_in(session: Session, Form(LogIn { user }): Form<LogIn>) -> Response {
    let known = USERS.iter().find(|(principal, _)| *principal == user).filter(|_| session.principal().is_none());
    if let Some((principal, name)) = known {
        if session.insert("user", User { name: (*name).to_owned() }).is_err() {
            return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        // A new ID in the same step: what an attacker knew of the session is worth nothing.
        session.log_in(*principal);
    }
    Redirect::to("/").into_response()
}

pub(crate) async fn log_out(session: Session) -> Redirect {
    session.log_out();
    Redirect::to("/")
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    product: String,
}

pub(crate) async fn add_to_cart(session: Session, Form(Chosen { product }): Form<Chosen>) -> Response {
    if PRODUCTS.contains(&product.as_str()) {
        let mut cart: Vec<Line> = session.get("cart").unwrap_or_default();
        cart.push(Line { product, site: NAME.to_owned() });
        if session.insert("cart", cart).is_err() {
            return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    }
    Redirect::to("/").into_response()
}
