//! The site that is measured: one page reads the session, one changes it. It is the same over each store.

use std::error::Error;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use fred::interfaces::ClientLike as _;
use fred::prelude::{Config, Pool};
use sessiond_axum::SessionLayer;
use sessiond_client::Client;
use tower::ServiceExt as _;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_sessiond_store::SessiondStore;

pub type Failure = Box<dyn Error>;
type Loading = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// A site over a store.
pub struct Site {
    app: Router,
    /// Reads the session of an ID, as it is done before a page.
    load: Box<dyn Fn(String) -> Loading>,
}

/// About a kilobyte, as sessions have it.
fn data() -> impl Iterator<Item = (String, String)> {
    (b'a'..b'i').map(|letter| (format!("key-{}", char::from(letter)), char::from(letter).to_string().repeat(110)))
}

/// A site on a version of tower-sessions.
macro_rules! tower_site {
    ($tower_sessions:ident, $store:expr) => {{
        use $tower_sessions::session::Id;
        use $tower_sessions::{Session, SessionManagerLayer, SessionStore as _};

        let unavailable = |_| StatusCode::SERVICE_UNAVAILABLE;
        let store = $store;
        let app = Router::new()
            .route(
                "/new",
                get(async move |session: Session| {
                    for (name, value) in data() {
                        session.insert(&name, value).await.map_err(unavailable)?;
                    }
                    Ok::<_, StatusCode>(())
                }),
            )
            .route(
                "/read",
                get(async move |session: Session| {
                    Ok::<_, StatusCode>(session.get::<String>("key-b").await.map_err(unavailable)?.unwrap_or_default())
                }),
            )
            .route(
                "/write",
                get(async move |session: Session| {
                    let visits = session.get::<u64>("visits").await.map_err(unavailable)?.unwrap_or(0);
                    session.insert("visits", visits + 1).await.map_err(unavailable)
                }),
            )
            .layer(SessionManagerLayer::new(store.clone()));
        let load = move |id: String| -> Loading {
            let store = store.clone();
            Box::pin(async move {
                let id: Id = id.parse().map_err(|_| "the cookie holds no ID")?;
                store.load(&id).await?.map(drop).ok_or_else(|| "the session is gone".into())
            })
        };
        Site { app, load: Box::new(load) }
    }};
}

/// tower-sessions over its store for Redis.
pub async fn redis(address: &str, connections: usize) -> Result<Site, Failure> {
    let pool = Pool::new(Config::from_url(&format!("redis://{address}"))?, None, None, None, connections)?;
    pool.init().await?;
    Ok(tower_site!(tower_sessions_0_14, RedisStore::new(pool)))
}

/// tower-sessions over sessiond.
pub fn tower_store(address: &str) -> Result<Site, Failure> {
    let client = Client::builder().address(address).connect_lazy()?;
    Ok(tower_site!(tower_sessions, SessiondStore::new(client)))
}

/// sessiond's own layer.
pub fn layer(address: &str) -> Result<Site, Failure> {
    use sessiond_axum::Session;

    let client = Client::builder().address(address).connect_lazy()?;
    let app = Router::new()
        .route(
            "/new",
            get(async |session: Session| {
                data().for_each(|(name, value)| session.insert_value(name, value));
            }),
        )
        .route("/read", get(async |session: Session| session.get::<String>("key-b").unwrap_or_default()))
        .route(
            "/write",
            get(async |session: Session| {
                let visits = session.get::<i64>("visits").unwrap_or(0);
                session.insert_value("visits", visits + 1);
            }),
        )
        .layer(SessionLayer::builder(client.clone()).build()?);
    let load = move |id: String| -> Loading {
        let client = client.clone();
        Box::pin(async move { Ok(client.get(id).await.map(drop)?) })
    };
    Ok(Site { app, load: Box::new(load) })
}

/// The cookie of a visitor: its name and the ID.
#[derive(Debug, Clone)]
pub struct Cookie {
    line: String,
    id: String,
}

impl Site {
    /// One whole request, as the site serves it; the cookie that it sets.
    pub async fn request(&self, page: &str, cookie: &str) -> Result<Option<String>, Failure> {
        let request = Request::get(page).header(header::COOKIE, cookie).body(Body::empty())?;
        let response = self.app.clone().oneshot(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("{page} answers {}", response.status()).into());
        }
        let set = response.headers().get(header::SET_COOKIE);
        Ok(set.and_then(|set| set.to_str().ok()?.split(';').next().map(str::to_owned)))
    }

    /// Reads a visitor's session.
    pub async fn load(&self, cookie: &Cookie) -> Result<(), Failure> {
        (self.load)(cookie.id.clone()).await
    }

    pub async fn page(&self, page: &str, cookie: &Cookie) -> Result<(), Failure> {
        self.request(page, &cookie.line).await.map(drop)
    }

    /// Makes sessions; their cookies.
    pub async fn visitors(&self, count: usize) -> Result<Vec<Cookie>, Failure> {
        let mut cookies = Vec::with_capacity(count);
        for _ in 0..count {
            let line = self.request("/new", "").await?.ok_or("a new session sets no cookie")?;
            let id = line.split_once('=').map(|(_, id)| id.to_owned()).unwrap_or_default();
            cookies.push(Cookie { line, id });
        }
        Ok(cookies)
    }
}
