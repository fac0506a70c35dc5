//! How pages are shown.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use minijinja::{Environment, Value, context};
use sessiond_axum::{Error, Session};

use super::Site;

/// Messages for the next page that is shown.
const MESSAGES: &str = "messages";

/// The templates.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    pub(crate) fn new() -> Self {
        let mut templates = Environment::new();
        for (name, source) in [
            ("base.html", include_str!("templates/base.html")),
            ("home.html", include_str!("templates/home.html")),
            ("form.html", include_str!("templates/form.html")),
            ("devices.html", include_str!("templates/devices.html")),
        ] {
            templates.add_template(name, source).expect("the templates of the site are well formed");
        }
        Self(templates)
    }
}

/// One input of a form.
#[derive(Debug, Default)]
pub(crate) struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    choices: Vec<(&'static str, &'static str)>,
}

impl Field {
    pub(crate) fn new(name: &'static str, label: &'static str, kind: &'static str) -> Self {
        Self { name, label, kind, ..Self::default() }
    }

    pub(crate) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// One of these: what is sent, and what is shown.
    pub(crate) fn choice(mut self, choices: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        self.choices = choices.into_iter().collect();
        self
    }
}

impl From<Field> for Value {
    fn from(Field { name, label, kind, value, choices }: Field) -> Self {
        context! { name, label, kind, value, choices }
    }
}

impl Site {
    /// Shows a page. The token against forgery may store the session first, which sets the cookie.
    pub(crate) async fn show(
        &self,
        session: &Session,
        status: StatusCode,
        template: &str,
        content: Value,
    ) -> Result<Response, Error> {
        let page = context! {
            user => session.principal(),
            theme => session.get::<super::pages::Preferences>("preferences").unwrap_or_default().theme,
            token => session.csrf_token().await?,
            messages => session.remove::<Vec<String>>(MESSAGES),
            has_sister => self.sister.is_some(),
            ..content
        };
        let shown = self.pages.0.get_template(template).and_then(|template| template.render(page));
        Ok(match shown {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "The page can't be shown.").into_response(),
        })
    }

    /// Shows a form, again if there is a problem with what was sent.
    pub(crate) async fn form(
        &self,
        session: &Session,
        title: &str,
        problem: Option<&str>,
        fields: Vec<Field>,
    ) -> Result<Response, Error> {
        let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let fields: Vec<_> = fields.into_iter().map(Value::from).collect();
        let content = context! { title, problem, fields };
        self.show(session, status, "form.html", content).await
    }
}

/// Keeps a message for the next page, and goes there.
pub(crate) fn tell(session: &Session, to: &str, message: &str) -> Response {
    let mut messages = session.get::<Vec<String>>(MESSAGES).unwrap_or_default();
    messages.push(message.to_owned());
    session.insert_value(MESSAGES, sessiond_axum::sessiond_client::proto::Value::list(messages));
    Redirect::to(to).into_response()
}

/// Keeps visitors out of what is only for users.
pub(crate) fn log_in_first(session: &Session) -> Response {
    tell(session, "/log-in", "Please log in first.")
}
