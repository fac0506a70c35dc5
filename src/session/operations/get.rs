//! Reading and touching a session.

use crate::model::SessionId;
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, Seen};

impl Sessions {
    /// Reads a session and, unless told to peek, slides its idle timeout.
    pub async fn get(&self, namespace: &str, id: &SessionId, access: Access) -> Result<Seen, Error> {
        let key = LookupKey::new(namespace, id);
        let seen = self.query(|view| self.touches.find_to_read(view, &key, access)).await?;
        self.counters.note_lookup(seen.ok_or(Error::NotFound))
    }
}
