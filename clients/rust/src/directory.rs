//! Many sessions at once, by principal or namespace: list, count, revoke.

use std::vec;

use crate::client::Client;
use crate::error::Error;
use crate::proto::revoke_sessions_request::Scope;
use crate::proto::{
    CountSessionsRequest, HandleScope, ListSessionsRequest, ListSessionsResponse, NamespaceScope, PrincipalScope,
    RevokeSessionsRequest, Session, SessionView,
};

impl ListSessionsRequest {
    /// The sessions of the whole namespace, without their attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the sessions of this principal.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }

    /// Sessions on a page, 1 to 1,000; 100 at first.
    #[must_use]
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = size;
        self
    }

    /// The page that this token of the page before asks for.
    #[must_use]
    pub fn page_token(mut self, token: impl Into<String>) -> Self {
        self.page_token = token.into();
        self
    }

    /// The sessions with their attributes.
    #[must_use]
    pub fn full(mut self) -> Self {
        self.view = SessionView::Full.into();
        self
    }

    /// Only the sessions with these handles, 1 to 1,000; those that are not there are left out. Can't be combined with a
    /// principal or a page size.
    #[must_use]
    pub fn handles<T: Into<String>>(mut self, handles: impl IntoIterator<Item = T>) -> Self {
        self.handles = handles.into_iter().map(Into::into).collect();
        self
    }
}

impl CountSessionsRequest {
    /// The sessions of the whole namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the sessions of this principal.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }
}

impl RevokeSessionsRequest {
    /// All sessions of a principal: "log out everywhere".
    #[must_use]
    pub fn of_principal(principal: impl Into<String>) -> Self {
        Self::of(Scope::Principal(PrincipalScope { principal: principal.into(), except_session_id: String::new() }))
    }

    /// All sessions of a principal but the one that has this ID: "log out all my other devices". The empty ID excepts
    /// none.
    #[must_use]
    pub fn of_principal_except(principal: impl Into<String>, id: impl Into<String>) -> Self {
        Self::of(Scope::Principal(PrincipalScope { principal: principal.into(), except_session_id: id.into() }))
    }

    /// The sessions that have these handles, 1 to 1,000.
    #[must_use]
    pub fn by_handles<T: Into<String>>(handles: impl IntoIterator<Item = T>) -> Self {
        Self::of(Scope::Handles(HandleScope { handles: handles.into_iter().map(Into::into).collect() }))
    }

    /// Every session of the namespace.
    #[must_use]
    pub fn whole_namespace() -> Self {
        Self::of(Scope::WholeNamespace(NamespaceScope {}))
    }

    fn of(scope: Scope) -> Self {
        Self { scope: Some(scope), ..Self::default() }
    }
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first; there may be none although there is a next page.
    pub sessions: Vec<Session>,
    /// Asks for the next page; `None` if this is the last.
    pub next_page_token: Option<String>,
}

impl From<ListSessionsResponse> for Page {
    fn from(response: ListSessionsResponse) -> Self {
        Self {
            sessions: response.sessions,
            next_page_token: Some(response.next_page_token).filter(|token| !token.is_empty()),
        }
    }
}

/// Sessions one after the other, newest first; the pages are fetched as they are needed.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    request: ListSessionsRequest,
    page: vec::IntoIter<Session>,
    last_page: bool,
}

impl Listing {
    /// The next session; `None` at the end. After an error, calling again goes on where it failed.
    pub async fn next(&mut self) -> Option<Result<Session, Error>> {
        loop {
            if let Some(session) = self.page.next() {
                return Some(Ok(session));
            }
            if self.last_page {
                return None;
            }
            let page = match self.client.list(self.request.clone()).await {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            self.page = page.sessions.into_iter();
            match page.next_page_token {
                Some(token) => self.request.page_token = token,
                None => self.last_page = true,
            }
        }
    }
}

impl Client {
    /// One page of the live sessions of a principal or of the whole namespace, newest first.
    pub async fn list(&self, mut request: ListSessionsRequest) -> Result<Page, Error> {
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.list_sessions(request).await }).await?;
        Ok(response.into())
    }

    /// All live sessions of a principal or of the whole namespace, newest first, from the page that the request names.
    #[must_use]
    pub fn list_all(&self, request: ListSessionsRequest) -> Listing {
        Listing { client: self.clone(), request, page: Vec::new().into_iter(), last_page: false }
    }

    /// Counts the live sessions of a principal or of the whole namespace. Some hundred thousand take about a second:
    /// see [`Client::with_deadline`].
    pub async fn count(&self, mut request: CountSessionsRequest) -> Result<u64, Error> {
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.count_sessions(request).await }).await?;
        Ok(response.count)
    }

    /// Ends many sessions and answers how many this call ended. If the deadline cuts it off, what it has ended stays
    /// ended: see [`Client::with_deadline`].
    pub async fn revoke(&self, mut request: RevokeSessionsRequest) -> Result<u64, Error> {
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.revoke_sessions(request).await }).await?;
        Ok(response.revoked)
    }
}
