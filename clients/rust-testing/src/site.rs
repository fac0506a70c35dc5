//! Sites under test.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// A visitor of a site, who keeps the cookie of the session.
#[derive(Debug, Clone)]
pub struct Visitor {
    site: Router,
    cookie: String,
}

impl Visitor {
    /// A visitor who has no cookie yet.
    #[must_use]
    pub fn new(site: &Router) -> Self {
        Self { site: site.clone(), cookie: String::new() }
    }

    /// The cookie as requests bring it; empty if there is none.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Asks for a page: its status and its text.
    ///
    /// # Panics
    /// If the page is no text.
    pub async fn ask(&mut self, method: &str, uri: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(uri).header(header::COOKIE, &self.cookie);
        let response = self.site.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(set) = parts.headers.get(header::SET_COOKIE) {
            set.to_str().unwrap().split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        let text = body.collect().await.unwrap().to_bytes();
        (parts.status, String::from_utf8(text.to_vec()).unwrap())
    }
}

/// Whether a README shows this example, but for its first comment.
///
/// # Panics
/// If it does not.
pub fn assert_quoted(readme: &str, example: &str) {
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(readme.contains(code), "README.md shows another example than the one that is tested");
}
