//! The server is killed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use http_body_util::BodyExt as _;
use sessiond_axum::{Session, SessionLayer};
use sessiond_testing::Server;
use tower::ServiceExt as _;

const DEADLINE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);
const VISITORS: usize = 8;

/// Asks a page; the status, the cookie that it sets, and its text.
async fn ask(site: &Router, uri: &str, cookie: &str) -> (StatusCode, Option<String>, String) {
    let request = Request::get(uri).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    let response = site.clone().oneshot(request).await.unwrap();
    let set = response.headers().get(header::SET_COOKIE);
    let set = set.map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, set, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_load_costs_503_in_time_and_nothing_that_was_stored() {
    let mut server = Server::start();
    let client = server.client_builder().deadline(DEADLINE).connect_lazy().unwrap();
    let site = Router::new()
        .route("/write/{n}", get(async |session: Session, Path(n): Path<i64>| session.insert_value("n", n)))
        .route("/read", get(async |session: Session| session.get::<u64>("n").unwrap_or_default().to_string()))
        .layer(SessionLayer::builder(client).build().unwrap());
    let (stops, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut visitors = Vec::new();
    for _ in 0..VISITORS {
        let (site, stops, stored) = (site.clone(), Arc::clone(&stops), Arc::clone(&stored));
        let cookie = ask(&site, "/write/0", "").await.1.unwrap();
        visitors.push(tokio::spawn(async move {
            let mut acknowledged = 0;
            for n in 1_u64.. {
                if stops.load(SeqCst) {
                    break;
                }
                let start = Instant::now();
                let (status, set, _) = ask(&site, &format!("/write/{n}"), &cookie).await;
                // The page loads and saves, each within the deadline of a call.
                assert!(start.elapsed() < 2 * DEADLINE + Duration::from_secs(2), "{:?}", start.elapsed());
                assert_eq!(set, None, "the visitor keeps the session");
                if status == StatusCode::OK {
                    acknowledged = n;
                    stored.fetch_add(1, SeqCst);
                } else {
                    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            (cookie, acknowledged)
        }));
    }
    for _ in 0..2 {
        goes_on(&stored).await;
        server.kill();
        server.restart();
    }
    goes_on(&stored).await;
    stops.store(true, SeqCst);
    for visitor in visitors {
        let (cookie, acknowledged) = visitor.await.unwrap();
        let (status, _, found) = ask(&site, "/read", &cookie).await;
        assert_eq!(status, StatusCode::OK);
        assert!(found.parse::<u64>().unwrap() >= acknowledged, "{acknowledged} was acknowledged, {found} is stored");
    }
}

/// Waits until a hundred more pages were stored.
async fn goes_on(stored: &AtomicU64) {
    let (start, wanted) = (Instant::now(), stored.load(SeqCst) + 100);
    while stored.load(SeqCst) < wanted {
        assert!(start.elapsed() < LONG, "it does not go on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
