//! The rules of access, renewed when their files change: they hold for the next call of every connection.

use crate::authorization::{AccessProblem, Authorizer, Loaded};
use crate::server::renewal::Renewable;
use crate::watched_file::Stamp;

impl Renewable for Authorizer {
    type Loaded = Loaded;
    type Problem = AccessProblem;
    const WHAT: &'static str = "the access rules";

    fn stamps(&self) -> Vec<Stamp> {
        self.stamps()
    }

    fn load(&self) -> Result<Loaded, AccessProblem> {
        self.read()
    }

    fn renew(&self, loaded: Loaded) {
        self.put_in_force(loaded);
        tracing::info!("the access rules hold as they are now");
    }

    fn is_stale(&self) -> bool {
        *self.staleness().borrow()
    }

    fn set_stale(&self) {
        self.mark_stale();
    }

    async fn look_wanted(&self) {
        Authorizer::look_wanted(self).await;
    }

    fn begin_look(&self) {
        Authorizer::begin_look(self);
    }

    fn end_look(&self) {
        Authorizer::end_look(self);
    }
}
