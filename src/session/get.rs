//! Reading and touching a session.

use super::Sessions;
use super::error::Error;
use super::lookup::Key;
use super::touches::Access;
use crate::model::{Record, SessionId};

impl Sessions {
    /// Reads a session and, unless told to peek, slides its idle timeout.
    pub async fn get(&self, namespace: &str, id: &SessionId, access: Access) -> Result<Record, Error> {
        let key = Key::new(namespace, id);
        let live = self.query(|view| self.touches.find(view, &key, access)).await?.ok_or(Error::NotFound)?;
        Ok(live.record)
    }
}
