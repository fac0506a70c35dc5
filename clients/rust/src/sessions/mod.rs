//! One session at a time: create, get, update, touch, rotate, delete.

mod answer;
mod hot;
mod request;

pub(crate) use hot::HotCall;

pub use answer::{Created, Read, Rotated, Touched, Updated};

use crate::client::Client;
use crate::convert::Complete as _;
use crate::error::Error;
use crate::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange,
    TouchSessionRequest, UpdateSessionRequest,
};

impl Client {
    /// Makes a session; never overwrites one.
    pub async fn create(&self, request: impl Into<CreateSessionRequest>) -> Result<Created, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.hot(request).await?.complete(self.address())
    }

    /// Reads a session and, unless the request says to peek, slides its idle timeout. Takes an ID or a whole request.
    pub async fn get(&self, request: impl Into<GetSessionRequest>) -> Result<Read, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.hot(request).await?.complete(self.address())
    }

    /// Changes a session, whatever its version is. Never creates one.
    pub async fn update(&self, id: impl Into<String>, change: SessionChange) -> Result<Updated, Error> {
        self.update_with(UpdateSessionRequest::new(id, change)).await
    }

    /// Changes a session with every option of the request: expected version, lock, upsert.
    pub async fn update_with(&self, mut request: UpdateSessionRequest) -> Result<Updated, Error> {
        self.fill_namespace(&mut request.namespace);
        self.hot(request).await?.complete(self.address())
    }

    /// Slides a session's idle timeout. Takes an ID or a whole request.
    pub async fn touch(&self, request: impl Into<TouchSessionRequest>) -> Result<Touched, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.hot(request).await?.complete(self.address())
    }

    /// Gives a session a new ID. Takes an ID or a whole request.
    pub async fn rotate(&self, request: impl Into<RotateSessionRequest>) -> Result<Rotated, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.hot(request).await?.complete(self.address())
    }

    /// Ends a session. Takes an ID or a whole request. True if this call ended it; false only if the request allows
    /// that there is none.
    pub async fn delete(&self, request: impl Into<DeleteSessionRequest>) -> Result<bool, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        let response = self.hot(request).await?;
        Ok(response.deleted)
    }
}
