//! The settings of a layer, and how a request's session is loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use sessiond_client::proto::{GetSessionRequest, Timeouts};
use sessiond_client::{Client, Error as StoreError, mapped_id};

use crate::cookie::{Cookie, SameSite};
use crate::error::{Error, SettingError};
use crate::layer::SessionLayer;
use crate::session::Session;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);
const LONGEST_GRACE: Duration = Duration::from_secs(60);

pub(crate) type Labels = BTreeMap<String, String>;

/// How long a session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Ends it so long after the last request; a day at first.
    pub idle: Duration,
    /// Ends it so long after its creation, however busy it is.
    pub absolute: Option<Duration>,
    /// The cookie survives the end of the browser.
    pub persistent: bool,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { idle: DAY, absolute: None, persistent: false }
    }
}

impl Lifetime {
    pub(crate) fn timeouts(self) -> Timeouts {
        let timeouts = Timeouts::new().idle(self.idle);
        self.absolute.map_or(timeouts, |absolute| timeouts.absolute(absolute))
    }
}

/// What all requests share.
pub(crate) struct Manager {
    pub(crate) client: Client,
    pub(crate) cookie: Cookie,
    pub(crate) lifetime: Lifetime,
    pub(crate) grace: Duration,
    pub(crate) protects_forms: bool,
    pub(crate) labels: Option<fn(&Parts) -> Labels>,
    pub(crate) peeks: Option<fn(&Parts) -> bool>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("client", &self.client).field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

impl Manager {
    /// The session of a request: a new one if there is none under its cookie.
    pub(crate) async fn load(self: &Arc<Self>, parts: &Parts) -> Result<Session, Error> {
        let labels = self.labels.map(|labels| labels(parts));
        let session = Session::new(Arc::clone(self), labels);
        let Some(cookie) = self.cookie.read(&parts.headers) else { return Ok(session) };
        let Some(id) = mapped_id(cookie).map(std::borrow::Cow::into_owned) else {
            session.lock().has_stale_cookie = true;
            return Ok(session);
        };
        let mut request = GetSessionRequest::new(&id);
        if self.peeks.is_some_and(|peeks| peeks(parts)) {
            request = request.peek();
        }
        match self.client.get(request).await {
            Ok(found) => session.lock().take(id, found.session),
            Err(StoreError::SessionNotFound) => session.lock().has_stale_cookie = true,
            Err(error) => return Err(error.into()),
        }
        Ok(session)
    }
}

/// Settings of a [`SessionLayer`].
#[derive(Debug)]
pub struct SessionLayerBuilder(Manager);

impl SessionLayerBuilder {
    pub(crate) fn new(client: Client) -> Self {
        let grace = Duration::from_secs(10);
        Self(Manager {
            client,
            cookie: Cookie::default(),
            lifetime: Lifetime::default(),
            grace,
            protects_forms: false,
            labels: None,
            peeks: None,
        })
    }

    /// How long sessions last that say nothing else.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.0.lifetime = lifetime;
        self
    }

    /// How long the old ID can still read after a log-in, for the parallel requests of one page: 10 s at first, at most 60 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.0.grace = grace;
        self
    }

    /// The cookie's name; `__Host-session` at first, or `session` where browsers don't allow that.
    #[must_use]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.0.cookie.name = name.into();
        self
    }

    /// Sends the cookie to all hosts of a domain.
    #[must_use]
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.0.cookie.domain = Some(domain.into());
        self
    }

    /// With which requests of other sites the cookie is sent; [`SameSite::Lax`] at first.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.0.cookie.same_site = same_site;
        self
    }

    /// Sends the cookie without TLS too: for development.
    #[must_use]
    pub fn insecure_cookie(mut self) -> Self {
        self.0.cookie.insecure = true;
        self
    }

    /// Refuses requests that may change something, any but GET, HEAD, OPTIONS and TRACE, unless they bring a token of
    /// [`Session::csrf_token`] in the header `x-csrf-token` or, if they are a urlencoded form, in the field `csrf_token`.
    #[must_use]
    pub fn protect_forms(mut self) -> Self {
        self.0.protects_forms = true;
        self
    }

    /// Short texts that the list of a user's devices shows, made from the request that makes a session or logs in;
    /// [`device_labels`](crate::device_labels) is one such function.
    #[must_use]
    pub fn labels(mut self, labels: fn(&Parts) -> BTreeMap<String, String>) -> Self {
        self.0.labels = Some(labels);
        self
    }

    /// Tells requests that are no sign of life, such as polling: they don't slide the idle timeout.
    #[must_use]
    pub fn peek(mut self, peeks: fn(&Parts) -> bool) -> Self {
        self.0.peeks = Some(peeks);
        self
    }

    /// The layer, if its settings can be used.
    pub fn build(mut self) -> Result<SessionLayer, SettingError> {
        let bounds = Duration::from_millis(1)..=LONGEST;
        let Lifetime { idle, absolute, .. } = self.0.lifetime;
        if !bounds.contains(&idle) || absolute.is_some_and(|absolute| !bounds.contains(&absolute)) {
            return Err(SettingError("each part of the lifetime must be from 1 ms to 3660 days"));
        }
        if self.0.grace > LONGEST_GRACE {
            return Err(SettingError("the grace is at most 60 s"));
        }
        self.0.cookie = self.0.cookie.complete()?;
        Ok(SessionLayer::new(Arc::new(self.0)))
    }
}
