//! Reading and touching a session.

use super::Sessions;
use super::error::Error;
use super::lookup::{Key, Seen};
use super::touches::Access;
use crate::model::SessionId;

impl Sessions {
    /// Reads a session and, unless told to peek, slides its idle timeout.
    pub async fn see(&self, namespace: &str, id: &SessionId, access: Access) -> Result<Seen, Error> {
        let key = Key::new(namespace, id);
        self.query(|view| self.touches.see(view, &key, access)).await?.ok_or(Error::NotFound)
    }
}
