//! What the layer promises, with a real server and a browser's cookies.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use sessiond_axum::sessiond_client::{Client, proto::Value};
use sessiond_axum::{Error, Lifetime, Session, SessionLayer, SessionLayerBuilder, device_labels};
use sessiond_testing::Server;
use tower::ServiceExt as _;

/// One visitor's browser.
#[derive(Clone)]
struct Browser {
    site: Router,
    cookie: Option<String>,
}

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Browser {
    fn new(site: &Router) -> Self {
        Self { site: site.clone(), cookie: None }
    }

    async fn send(&mut self, method: Method, uri: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut request = Request::builder().method(method).uri(uri).header(header::USER_AGENT, "a browser");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("__Host-session={cookie}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response: Response =
            self.site.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(set) = parts.headers.get(header::SET_COOKIE) {
            let text = set.to_str().unwrap();
            let value = text.strip_prefix("__Host-session=").unwrap().split(';').next().unwrap();
            self.cookie = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&mut self, uri: &str) -> Page {
        self.send(Method::GET, uri, &[], "").await
    }

    async fn text(&mut self, uri: &str) -> String {
        let page = self.get(uri).await;
        assert_eq!(page.status, StatusCode::OK, "{uri}: {}", page.text);
        page.text
    }
}

fn routes() -> Router {
    Router::new()
        .route("/set/{name}", get(async |session: Session, Path(name): Path<String>| session.insert(name, 1).unwrap()))
        .route(
            "/remove/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                session.remove::<u8>(&name).map_or("", |_| "removed")
            }),
        )
        .route("/names", get(async |session: Session| session.names().join(" ")))
        .route(
            "/fail",
            get(async |session: Session| {
                session.insert_value("failed", 1);
                StatusCode::INTERNAL_SERVER_ERROR
            }),
        )
        .route(
            "/clear",
            get(async |session: Session| {
                session.clear();
                session.insert_value("only", 1);
            }),
        )
        .route("/log-in/{user}", get(async |session: Session, Path(user): Path<String>| session.log_in(user)))
        .route("/log-out", get(async |session: Session| session.log_out()))
        .route("/who", get(async |session: Session| session.principal().unwrap_or_default()))
        .route("/handle", get(async |session: Session| session.handle().unwrap_or_default()))
        .route("/devices", get(devices))
        .route(
            "/end/{handle}",
            get(async |session: Session, Path(handle): Path<String>| {
                session.end_device(&handle).await.map(|ended| ended.to_string())
            }),
        )
        .route("/end-others", get(async |session: Session| session.end_others().await.map(|ended| ended.to_string())))
        .route("/end-all", get(async |session: Session| session.end_all().await.map(|ended| ended.to_string())))
        .route("/hand-off", get(async |session: Session| session.issue_handoff("https://b.example").await))
        .route(
            "/redeem",
            get(async |session: Session, Query(query): Query<BTreeMap<String, String>>| {
                session.redeem_handoff(&query["ticket"], "https://b.example").await
            }),
        )
        .route("/token", get(async |session: Session| session.csrf_token().await))
        .route(
            "/post",
            post(async |session: Session, body: String| {
                session.insert_value("posted", 1);
                body
            }),
        )
        .route("/slow", get(slow))
        .route(
            "/remember",
            get(async |session: Session| {
                session.set_lifetime(Lifetime {
                    persistent: true,
                    absolute: Some(Duration::from_secs(60)),
                    ..Lifetime::default()
                });
            }),
        )
        .route("/debug", get(async |session: Session| format!("{session:?}")))
}

async fn devices(session: Session) -> Result<String, Error> {
    let devices = session.devices().await?;
    let shown = devices.iter().map(|device| format!("{}:{}", device.session.labels["device"], device.is_current));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

/// Another request ends the session while this one is under way.
async fn slow(session: Session, headers: HeaderMap) {
    let client = Client::builder().address(headers["x-store"].to_str().unwrap()).connect_lazy().unwrap();
    client
        .delete(sessiond_axum::sessiond_client::proto::DeleteSessionRequest::by_handle(session.handle().unwrap()))
        .await
        .unwrap();
    session.insert_value("late", 1);
}

fn site(client: Client, settings: impl Fn(SessionLayerBuilder) -> SessionLayerBuilder) -> Router {
    let builder = SessionLayer::builder(client).labels(device_labels);
    routes().layer(settings(builder).build().unwrap())
}

#[tokio::test]
async fn a_visitor_gets_a_session_once_there_is_something_to_keep() {
    let server = Server::start();
    let mut visitor = Browser::new(&site(server.client(), |builder| builder));
    let page = visitor.get("/names").await;
    assert!(page.headers.get(header::SET_COOKIE).is_none());
    assert_eq!(page.headers[header::VARY], "cookie");
    let page = visitor.get("/set/a").await;
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert!(visitor.get("/set/b").await.headers.get(header::SET_COOKIE).is_none());
    assert_eq!(visitor.text("/names").await, "a b");
    visitor.text("/remove/a").await;
    assert_eq!(visitor.get("/fail").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(visitor.text("/names").await, "b");
    visitor.text("/clear").await;
    assert_eq!(visitor.text("/names").await, "only");
    let debug = visitor.text("/debug").await;
    assert!(
        debug.contains(&visitor.text("/handle").await) && !debug.contains(&visitor.cookie.clone().unwrap()),
        "{debug}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_that_set_different_values_all_win() {
    let server = Server::start();
    let mut visitor = Browser::new(&site(server.client(), |builder| builder));
    visitor.text("/set/first").await;
    let requests: Vec<_> = (0..64)
        .map(|n| {
            let mut visitor = visitor.clone();
            tokio::spawn(async move { visitor.text(&format!("/set/value-{n}")).await })
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    assert_eq!(visitor.text("/names").await.split(' ').count(), 65);
}

#[tokio::test]
async fn a_log_in_gives_a_new_id_and_the_old_one_reads_for_a_moment() {
    let server = Server::start();
    let mut visitor = Browser::new(&site(server.client(), |builder| builder));
    visitor.text("/set/cart").await;
    let (mut old, handle) = (visitor.clone(), visitor.text("/handle").await);
    visitor.text("/log-in/ada").await;
    assert_ne!(visitor.cookie, old.cookie);
    assert_eq!((visitor.text("/who").await, visitor.text("/handle").await), ("ada".to_owned(), handle));
    assert_eq!(old.text("/names").await, "cart");
    assert_eq!(old.get("/set/stolen").await.status, StatusCode::CONFLICT);
    visitor.text("/log-out").await;
    assert_eq!(visitor.cookie, None);
    assert_eq!(old.text("/names").await, "");
}

#[tokio::test]
async fn a_slow_request_does_not_bring_back_an_ended_session() {
    let server = Server::start();
    let client = Client::builder().address(server.address()).connect_lazy().unwrap();
    let mut visitor = Browser::new(&site(client, |builder| builder));
    visitor.text("/set/a").await;
    let page = visitor.send(Method::GET, "/slow", &[("x-store", server.address())], "").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert_eq!(visitor.text("/names").await, "");
    assert_eq!(visitor.cookie, None, "a cookie that leads nowhere is removed");
}

#[tokio::test]
async fn a_user_sees_and_ends_the_sessions_of_all_devices() {
    let server = Server::start();
    let site = site(server.client(), |builder| builder);
    let (mut laptop, mut phone, mut eve) = (Browser::new(&site), Browser::new(&site), Browser::new(&site));
    assert_eq!(laptop.get("/devices").await.status, StatusCode::UNAUTHORIZED);
    laptop.text("/log-in/ada").await;
    phone.text("/log-in/ada").await;
    eve.text("/log-in/eve").await;
    assert_eq!(phone.text("/devices").await, "a browser:true a browser:false");
    let (hers, its) = (eve.text("/handle").await, phone.text("/handle").await);
    assert_eq!(laptop.text(&format!("/end/{hers}")).await, "false");
    assert_eq!(laptop.text("/end/nonsense").await, "false");
    assert_eq!(laptop.text(&format!("/end/{its}")).await, "true");
    assert_eq!(phone.text("/who").await, "");
    phone.text("/log-in/ada").await;
    assert_eq!(laptop.text("/end-others").await, "1");
    assert_eq!((laptop.text("/who").await.as_str(), phone.text("/who").await.as_str()), ("ada", ""));
    phone.text("/log-in/ada").await;
    assert_eq!(laptop.text("/end-all").await, "2");
    assert_eq!(
        (laptop.text("/who").await, phone.text("/who").await, eve.text("/who").await),
        (String::new(), String::new(), "eve".to_owned())
    );
}

#[tokio::test]
async fn a_session_goes_to_another_domain_and_ends_on_both() {
    let server = Server::start();
    let site = site(server.client(), |builder| builder);
    let (mut here, mut there, mut thief) = (Browser::new(&site), Browser::new(&site), Browser::new(&site));
    here.text("/log-in/ada").await;
    let ticket = here.text("/hand-off").await;
    there.text(&format!("/redeem?ticket={ticket}")).await;
    assert_eq!(there.text("/who").await, "ada");
    assert_ne!(here.cookie, there.cookie);
    assert_eq!(thief.get(&format!("/redeem?ticket={ticket}")).await.status, StatusCode::FORBIDDEN);
    here.text("/log-out").await;
    assert_eq!(there.text("/who").await, "");
}

#[tokio::test]
async fn a_forged_form_is_refused() {
    let server = Server::start();
    let mut visitor = Browser::new(&site(server.client(), SessionLayerBuilder::protect_forms));
    let token = visitor.text("/token").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (headers, body) in
        [(&[][..], ""), (&form, "a=1"), (&form, "csrf_token=forged"), (&[("x-csrf-token", "forged")], "")]
    {
        assert_eq!(visitor.send(Method::POST, "/post", headers, body).await.status, StatusCode::FORBIDDEN, "{body}");
    }
    assert_eq!(visitor.text("/names").await, "");
    let body = format!("a=1&csrf_token={token}");
    let page = visitor.send(Method::POST, "/post", &form, &body).await;
    assert_eq!((page.status, page.text), (StatusCode::OK, body.clone()));
    assert_eq!(visitor.send(Method::POST, "/post", &[("x-csrf-token", &token)], "").await.status, StatusCode::OK);
    visitor.text("/log-in/ada").await;
    let page = visitor.send(Method::POST, "/post", &form, &body).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the token is of the ID before the log-in");
}

#[tokio::test]
async fn a_cookie_can_outlive_the_browser() {
    let server = Server::start();
    let mut visitor = Browser::new(&site(server.client(), |builder| builder));
    visitor.text("/set/a").await;
    let page = visitor.get("/remember").await;
    assert!(page.headers[header::SET_COOKIE].to_str().unwrap().ends_with("Max-Age=60"));
    let page = visitor.get("/log-in/ada").await;
    assert!(page.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age="));
    assert_eq!(visitor.text("/names").await, "a");
}

#[tokio::test]
async fn without_a_store_the_answer_is_503_within_the_deadline_and_later_all_is_there() {
    let mut server = Server::start();
    let client = server.client_builder().deadline(Duration::from_secs(1)).connect_lazy().unwrap();
    let mut visitor = Browser::new(&site(client, |builder| builder));
    visitor.text("/set/a").await;
    server.kill();
    let begun = tokio::time::Instant::now();
    let page = visitor.get("/names").await;
    assert_eq!(
        (page.status, page.headers[header::RETRY_AFTER].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "1")
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.restart();
    assert_eq!(visitor.text("/names").await, "a");
}

#[tokio::test]
async fn settings_that_can_not_be_used_are_refused() {
    let server = Server::start();
    let builder = || SessionLayer::builder(server.client());
    assert!(builder().grace(Duration::from_secs(61)).build().is_err());
    assert!(builder().lifetime(Lifetime { idle: Duration::ZERO, ..Lifetime::default() }).build().is_err());
    assert!(builder().cookie_name("__Host-x").insecure_cookie().build().is_err());
    assert!(builder().build().is_ok());
}

#[tokio::test]
async fn other_languages_read_what_is_stored() {
    let server = Server::start();
    let client = server.client();
    let mut visitor = Browser::new(&site(client.clone(), |builder| builder));
    visitor.text("/set/n").await;
    let stored = client.get(visitor.cookie.unwrap()).await.unwrap().session;
    assert_eq!(stored.attributes, BTreeMap::from([("n".to_owned(), Value::from(1))]));
}
