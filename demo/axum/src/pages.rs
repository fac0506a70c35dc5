//! How pages are shown, and the first of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use minijinja::{Environment, Value, context};
use sessiond_axum::sessiond_client::Timestamp;
use sessiond_axum::{Error, Session};

use crate::account::{Line, PRODUCTS, USERS, User};
use crate::{NAME, Site};

/// The version that Cargo.toml asks for.
const FRAMEWORK: &str = "axum 0.8";

/// The templates, and what each of them shows.
pub(crate) struct Pages {
    templates: Environment<'static>,
    sites: Vec<(String, String)>,
    portal: String,
    forum: Option<String>,
}

impl Pages {
    pub(crate) fn new(sites: &str, portal: String, forum: Option<String>) -> Result<Self, minijinja::Error> {
        let mut templates = Environment::new();
        templates.add_template("base.html", include_str!("../templates/base.html"))?;
        templates.add_template("home.html", include_str!("../templates/home.html"))?;
        templates.add_template("devices.html", include_str!("../templates/devices.html"))?;
        let sites = sites.split(' ').filter_map(|pair| pair.split_once('='));
        let sites = sites.map(|(name, url)| (name.to_owned(), url.to_owned())).collect();
        Ok(Self { templates, sites, portal, forum })
    }

    /// Shows a page. The token against forgery may store the session first, which sets the cookie.
    pub(crate) async fn show(&self, session: &Session, template: &str, content: Value) -> Result<Response, Error> {
        let page = context! {
            token => session.csrf_token().await?,
            handle => session.handle(),
            principal => session.principal(),
            site => NAME,
            framework => FRAMEWORK,
            sites => self.sites.clone(),
            portal => self.portal.clone(),
            forum => self.forum.clone(),
            ..content
        };
        let shown = self.templates.get_template(template).and_then(|template| template.render(page));
        Ok(match shown {
            Ok(html) => Html(html).into_response(),
            Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        })
    }
}

/// A moment as all sites show it, to the second.
pub(crate) fn moment(time: Option<Timestamp>) -> Option<String> {
    let text = time?.to_string();
    Some(format!("{} UTC", text.get(..19)?.replace('T', " ")))
}

pub(crate) async fn home(State(site): State<Arc<Site>>, session: Session) -> Result<Response, Error> {
    let stored = session.stored().filter(|stored| !stored.principal.is_empty());
    let device = stored.map(|stored| context! { labels => stored.labels, since => moment(stored.create_time) });
    let cart = session.get::<Vec<Line>>("cart").unwrap_or_default().into_iter();
    let content = context! {
        name => session.get::<User>("user").map(|user| user.name).or_else(|| session.principal()),
        cart => cart.map(|Line { product, site }| context! { product, site }).collect::<Vec<_>>(),
        users => USERS.to_vec(),
        products => PRODUCTS.to_vec(),
        device => device,
    };
    site.pages.show(&session, "home.html", content).await
}
