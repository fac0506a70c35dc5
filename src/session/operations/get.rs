//! Reading and touching a session.

use crate::model::SessionId;
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{Key, Seen};

impl Sessions {
    /// Reads a session and, unless told to peek, slides its idle timeout.
    pub async fn see(&self, namespace: &str, id: &SessionId, access: Access) -> Result<Seen, Error> {
        let key = Key::new(namespace, id);
        self.query(|view| self.touches.see(view, &key, access)).await?.ok_or(Error::NotFound)
    }
}
