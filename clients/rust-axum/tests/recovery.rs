//! The server is killed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use sessiond_axum::{Session, SessionLayer};
use sessiond_testing::{Server, Visitor};

const DEADLINE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);
const VISITORS: usize = 8;

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
        let (mut visitor, stops, stored) = (Visitor::new(&site), Arc::clone(&stops), Arc::clone(&stored));
        assert_eq!(visitor.ask("GET", "/write/0").await.0, StatusCode::OK);
        let cookie = visitor.cookie().to_owned();
        visitors.push(tokio::spawn(async move {
            let mut acknowledged = 0;
            for n in 1_u64.. {
                if stops.load(SeqCst) {
                    break;
                }
                let start = Instant::now();
                let (status, _) = visitor.ask("GET", &format!("/write/{n}")).await;
                // The page loads and saves, each within the deadline of a call.
                assert!(start.elapsed() < 2 * DEADLINE + Duration::from_secs(2), "{:?}", start.elapsed());
                assert_eq!(visitor.cookie(), cookie, "the visitor keeps the session");
                if status == StatusCode::OK {
                    acknowledged = n;
                    stored.fetch_add(1, SeqCst);
                } else {
                    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                }
            }
            (visitor, acknowledged)
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
        let (mut visitor, acknowledged) = visitor.await.unwrap();
        let (status, found) = visitor.ask("GET", "/read").await;
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
