//! The example site, over HTTP.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

#[path = "../examples/site/main.rs"]
#[expect(dead_code, reason = "its main would wait for visitors")]
mod example;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sessiond_axum::sessiond_client::{Client, proto::GetSessionRequest};
use sessiond_testing::Server;
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_secs(1);

/// A site at an address of its own, with a sister if it has one.
fn serve(listener: TcpListener, client: Client, sister: Option<String>) -> String {
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = example::app(client, origin.clone(), sister).unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    origin
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// One visitor's browser, on one site.
struct Browser {
    http: Http<HttpConnector, Body>,
    site: String,
    cookie: Option<String>,
}

struct Page {
    status: StatusCode,
    location: Option<String>,
    retry_after: Option<String>,
    text: String,
}

impl Page {
    #[track_caller]
    fn shows(&self, status: StatusCode, texts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        for text in texts {
            assert!(self.text.contains(text), "{text:?} is missing: {}", self.text);
        }
    }
}

impl Browser {
    fn new(site: &str) -> Self {
        Self { http: Http::builder(TokioExecutor::new()).build_http(), site: site.to_owned(), cookie: None }
    }

    async fn request(&mut self, method: Method, url: &str, form: &[(&str, &str)]) -> Page {
        let url = if url.starts_with('/') { format!("{}{url}", self.site) } else { url.to_owned() };
        let mut request = Request::builder().method(method).uri(url).header(header::USER_AGENT, "a browser");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("session={cookie}"));
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = self.http.request(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        if let Some(set) = header(header::SET_COOKIE) {
            let value = set.strip_prefix("session=").unwrap().split(';').next().unwrap();
            self.cookie = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let (location, retry_after) = (header(header::LOCATION), header(header::RETRY_AFTER));
        Page { status: parts.status, location, retry_after, text }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.request(Method::GET, path, &[]).await
    }

    /// Fills in the form on a page and sends it; the page to which that leads.
    async fn send(&mut self, page: &str, to: &str, form: &[(&str, &str)]) -> Page {
        let answer = self.post(page, to, form).await;
        match answer.location {
            Some(next) => self.get(&next).await,
            None => answer,
        }
    }

    async fn post(&mut self, page: &str, to: &str, form: &[(&str, &str)]) -> Page {
        let shown = self.get(page).await;
        let (_, rest) = shown.text.split_once(r#"name="csrf_token" value=""#).expect(&shown.text);
        let token = rest.split('"').next().unwrap().to_owned();
        let mut fields = form.to_vec();
        fields.push(("csrf_token", &token));
        self.request(Method::POST, to, &fields).await
    }
}

const ADA: [(&str, &str); 2] = [("name", "ada"), ("password", "correct horse")];

#[tokio::test(flavor = "multi_thread")]
async fn the_site_keeps_what_a_visitor_does() {
    let server = Server::start();
    let mut visitor = Browser::new(&serve(listen().await, server.client(), None));
    visitor.get("/").await.shows(StatusCode::OK, &["Hello, visitor", "<td>visits</td><td>1</td>"]);
    visitor.get("/").await.shows(StatusCode::OK, &["<td>visits</td><td>2</td>", "It ends on"]);
    let preferences = [("theme", "dark"), ("language", "de")];
    let page = visitor.send("/preferences", "/preferences", &preferences).await;
    page.shows(StatusCode::OK, &["Saved.", r#"data-theme="dark""#, r#"value="de" selected"#]);
    let again = visitor.get("/preferences").await;
    assert!(!again.text.contains("Saved."), "a message is shown once");
    let page = visitor.send("/guestbook", "/guestbook", &[("text", "<b>nice</b>")]).await;
    page.shows(StatusCode::OK, &["Thanks for “&lt;b&gt;nice&lt;"]);
    let page = visitor.send("/guestbook", "/guestbook", &[("text", "again")]).await;
    page.shows(StatusCode::OK, &["You have signed already."]);
    visitor.get("/counter").await.shows(StatusCode::OK, &[r#"{"count":1}"#]);
    visitor.get("/error").await.shows(StatusCode::INTERNAL_SERVER_ERROR, &[]);
    let home = visitor.get("/").await;
    home.shows(StatusCode::OK, &["has_signed"]);
    assert!(!home.text.contains("saved_in_spite_of_an_error"));
    let before = visitor.cookie.clone();
    visitor.send("/", "/new-id", &[]).await.shows(StatusCode::OK, &["a new ID and the same values", "has_signed"]);
    assert_ne!(visitor.cookie, before);
    visitor.send("/", "/log-out", &[]).await.shows(StatusCode::OK, &["<td>visits</td><td>1</td>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_their_devices() {
    let server = Server::start();
    let site = serve(listen().await, server.client(), None);
    let (mut laptop, mut phone) = (Browser::new(&site), Browser::new(&site));
    let short = [("name", "ada"), ("password", "short")];
    let page = laptop.send("/sign-up", "/sign-up", &short).await;
    page.shows(StatusCode::UNPROCESSABLE_ENTITY, &["at least 8 characters", r#"value="ada""#]);
    let before = laptop.cookie.clone();
    laptop.send("/sign-up", "/sign-up", &ADA).await.shows(StatusCode::OK, &["Welcome!", "Hello, ada", "Log out ada"]);
    assert_ne!(laptop.cookie, before, "a log-in gives a new ID");
    phone.send("/sign-up", "/sign-up", &ADA).await.shows(StatusCode::UNPROCESSABLE_ENTITY, &["The name is taken."]);
    for wrong in [[("name", "ada"), ("password", "wrong")], [("name", "eve"), ("password", "correct horse")]] {
        let page = phone.send("/log-in", "/log-in", &wrong).await;
        page.shows(StatusCode::UNPROCESSABLE_ENTITY, &["Name or password is wrong."]);
    }
    phone.get("/devices").await.shows(StatusCode::SEE_OTHER, &[]);
    let remembered = [ADA[0], ADA[1], ("remember", "month")];
    phone.send("/log-in", "/log-in", &remembered).await.shows(StatusCode::OK, &["Hello, ada."]);
    let devices = phone.get("/devices").await;
    devices.shows(StatusCode::OK, &["a browser (this one)"]);
    assert_eq!(devices.text.matches(r#"name="handle""#).count(), 2);

    let passwords = |old| [("old", old), ("new", "battery staple")];
    let page = laptop.send("/password", "/password", &passwords("wrong")).await;
    page.shows(StatusCode::UNPROCESSABLE_ENTITY, &["The old password is wrong."]);
    let page = laptop.send("/password", "/password", &passwords("correct horse")).await;
    page.shows(StatusCode::OK, &["your other devices are logged out"]);
    phone.get("/").await.shows(StatusCode::OK, &["Hello, visitor"]);

    let ada = [ADA[0], ("password", "battery staple")];
    phone.send("/log-in", "/log-in", &ada).await.shows(StatusCode::OK, &["Hello, ada."]);
    let page = laptop.send("/devices", "/devices/others", &[]).await;
    page.shows(StatusCode::OK, &["All other devices are logged out."]);
    phone.get("/").await.shows(StatusCode::OK, &["Hello, visitor"]);
    let page = laptop.send("/devices", "/devices/end", &[("handle", "0198c0de-0000-7000-8000-000000000000")]).await;
    page.shows(StatusCode::OK, &["There is no such device."]);
    laptop.send("/", "/log-out", &[]).await.shows(StatusCode::OK, &["Hello, visitor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_its_lifetime_does() {
    let server = Server::start();
    let client = server.client();
    let mut visitor = Browser::new(&serve(listen().await, client.clone(), None));
    for name in ["an hour in all", "two hours idle", "a second idle"] {
        let page = visitor.send("/lifetime", "/lifetime", &[("lifetime", name)]).await;
        page.shows(StatusCode::OK, &["It was changed."]);
    }
    // The last lasts a second without a visit. A client that peeks does not make it last longer.
    let id = visitor.cookie.clone().unwrap();
    let start = Instant::now();
    while client.get(GetSessionRequest::new(&id).peek()).await.is_ok() {
        assert!(start.elapsed() < LONG, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    visitor.get("/").await.shows(StatusCode::OK, &["<td>visits</td><td>1</td>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_form_is_refused() {
    let server = Server::start();
    let mut visitor = Browser::new(&serve(listen().await, server.client(), None));
    visitor.send("/sign-up", "/sign-up", &ADA).await;
    let forged = visitor.request(Method::POST, "/log-out", &[("csrf_token", "forged")]).await;
    forged.shows(StatusCode::FORBIDDEN, &[]);
    visitor.get("/").await.shows(StatusCode::OK, &["Hello, ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_goes_to_the_sister_site_and_is_logged_in_there() {
    let server = Server::start();
    let (client, here, there) = (server.client(), listen().await, listen().await);
    let sister = format!("http://{}", there.local_addr().unwrap());
    let site = serve(here, client.clone(), Some(sister));
    let sister = serve(there, client, Some(site.clone()));
    let (mut at_site, mut at_sister) = (Browser::new(&site), Browser::new(&sister));
    at_site.send("/sign-up", "/sign-up", &ADA).await;
    let way = at_site.post("/", "/go", &[]).await.location.unwrap();
    assert!(way.starts_with(&sister), "{way}");
    at_sister.get(&way).await.shows(StatusCode::SEE_OTHER, &[]);
    at_sister.get("/").await.shows(StatusCode::OK, &["Hello, ada"]);
    let mut thief = Browser::new(&sister);
    thief.get(&way).await.shows(StatusCode::SEE_OTHER, &[]);
    thief.get("/").await.shows(StatusCode::OK, &["Hello, visitor", "used before, or took too long"]);
    at_sister.send("/", "/log-out", &[]).await;
    at_site.get("/").await.shows(StatusCode::OK, &["Hello, visitor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_the_site_says_so_and_then_the_visitor_is_still_logged_in() {
    let mut server = Server::start();
    let client = server.client_builder().deadline(DEADLINE).connect_lazy().unwrap();
    let mut visitor = Browser::new(&serve(listen().await, client, None));
    visitor.send("/sign-up", "/sign-up", &ADA).await.shows(StatusCode::OK, &["Hello, ada"]);
    server.kill();
    for _ in 0..3 {
        let start = Instant::now();
        let page = visitor.get("/").await;
        page.shows(StatusCode::SERVICE_UNAVAILABLE, &[]);
        assert_eq!(page.retry_after.as_deref(), Some("1"));
        assert!(!page.text.contains(server.address()), "visitors learn nothing of the store: {}", page.text);
        assert!(start.elapsed() < DEADLINE + Duration::from_secs(2), "{:?}", start.elapsed());
    }
    server.restart();
    let start = Instant::now();
    loop {
        let page = visitor.get("/").await;
        if page.status == StatusCode::OK {
            break page.shows(StatusCode::OK, &["Hello, ada"]);
        }
        page.shows(StatusCode::SERVICE_UNAVAILABLE, &[]);
        assert!(start.elapsed() < LONG, "it does not recover");
    }
    visitor.send("/", "/log-out", &[]).await.shows(StatusCode::OK, &["Hello, visitor"]);
}
