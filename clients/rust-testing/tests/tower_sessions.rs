//! The tests that tower-sessions has for its own stores, unchanged, with this one.

#![allow(
    clippy::pedantic,
    clippy::dbg_macro,
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "the tests are of tower-sessions"
)]

#[macro_use]
mod common {
    include!(env!("TOWER_SESSIONS_TESTS"));
}

mod sessiond {
    use axum::Router;
    use sessiond_testing::Server;
    use std::sync::LazyLock;
    use tower_sessions::SessionManagerLayer;
    use tower_sessions_sessiond_store::SessiondStore;

    static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

    async fn app(max_age: Option<Duration>, domain: Option<String>) -> Router {
        let sessions = SessionManagerLayer::new(SessiondStore::new(SERVER.client())).with_secure(true);
        crate::common::build_app(sessions, max_age, domain)
    }

    route_tests!(app);
}
