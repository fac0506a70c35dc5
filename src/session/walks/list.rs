//! Listing and counting sessions.

use super::list_walk::ListWalk;
use super::pace::{SLICE, rest};
use crate::engine::{EngineError, Expected};
use crate::model::Handle;
use crate::session::liveness::lookup::{Live, Seen};
use crate::session::{Error, Sessions};
use tokio::time::Instant;

/// One page looks at no more rows than this: many sessions may have ended that are not swept yet.
const MAX_ROWS_PER_PAGE: usize = 10_000;

/// What a page is to hold.
#[derive(Clone, Copy, Debug)]
pub struct PageBounds {
    /// Only sessions that were made before this one.
    pub before: Option<Handle>,
    /// Sessions, at most.
    pub sessions: usize,
    /// Bytes of an answer with them, at most.
    pub bytes: usize,
    /// Whether the attributes are wanted.
    pub attributes: bool,
}

/// A page of sessions, as the caller shows them.
#[derive(Debug)]
pub struct Page<T> {
    /// Newest first.
    pub sessions: Vec<T>,
    /// The session after which the next page begins; `None` if this is the last page.
    pub next: Option<Handle>,
}

/// A page that is being filled.
struct Filling<T, F> {
    page: Page<T>,
    wanted: PageBounds,
    room: usize,
    show: F,
}

impl<T, F: Fn(&Seen, bool) -> T> Filling<T, F> {
    fn new(wanted: PageBounds, show: F) -> Self {
        Self { page: Page { sessions: Vec::new(), next: None }, wanted, room: wanted.bytes, show }
    }

    /// Adds a session; `false` if the page has no room for it.
    fn add(&mut self, seen: &Seen) -> bool {
        let attributes = if self.wanted.attributes { 0 } else { seen.record.attributes.fields().len() };
        let (size, count) = (seen.record.answer_size() - attributes, self.page.sessions.len());
        // A page holds at least one session, or a caller would never get further.
        if count == self.wanted.sessions || (size > self.room && count > 0) {
            return false;
        }
        self.room = self.room.saturating_sub(size);
        self.page.next = Some(seen.record.handle);
        self.page.sessions.push((self.show)(seen, self.wanted.attributes));
        true
    }

    /// The page, which ends with the session that was added last.
    fn finish(self) -> Page<T> {
        self.page
    }
}

impl Sessions {
    /// Lists the live sessions of a principal, or of the whole namespace if it is empty. `show` encodes each session as soon as
    /// it is found, so that no long work is left at the end of a page.
    pub async fn list<T>(
        &self,
        namespace: &str,
        principal: &str,
        wanted: PageBounds,
        show: impl Fn(&Seen, bool) -> T,
    ) -> Result<Page<T>, Error> {
        let mut page = Filling::new(wanted, show);
        let mut walk = ListWalk::new(namespace, principal).before(wanted.before);
        for _ in 0..MAX_ROWS_PER_PAGE.div_ceil(SLICE) {
            for seen in self.next_live(&mut walk).await? {
                if !page.add(&seen) {
                    return Ok(page.finish());
                }
            }
            if walk.is_at_end() {
                break;
            }
        }
        Ok(Page { next: walk.position(), ..page.finish() })
    }

    /// Lists the live sessions with these handles, newest first, as far as the bounds' bytes go.
    pub async fn list_handles<T>(
        &self,
        namespace: &str,
        mut handles: Vec<Handle>,
        wanted: PageBounds,
        show: impl Fn(&Seen, bool) -> T,
    ) -> Result<Page<T>, Error> {
        handles.sort_unstable_by(|one, other| other.cmp(one));
        handles.dedup();
        handles.retain(|handle| wanted.before.is_none_or(|before| *handle < before));
        let mut page = Filling::new(PageBounds { sessions: handles.len(), ..wanted }, show);
        for handles in handles.chunks(SLICE) {
            let began = Instant::now();
            let found: Vec<Option<Live>> = self
                .query(|view| {
                    view.expect(Expected::Sessions(handles))?;
                    let find = |handle: &Handle| match self.touches.find_by_handle(view, namespace, *handle) {
                        // It opens for nobody; it must not hide the others.
                        Err(EngineError::Corrupt(_)) => Ok(None),
                        found => found,
                    };
                    handles.iter().map(find).collect()
                })
                .await?;
            for live in found.into_iter().flatten() {
                if !page.add(&live.into()) {
                    return Ok(page.finish());
                }
            }
            rest(began).await;
        }
        Ok(Page { next: None, ..page.finish() })
    }

    /// Counts the live sessions of a principal, or of the whole namespace if it is empty.
    pub async fn count(&self, namespace: &str, principal: &str) -> Result<u64, Error> {
        let mut walk = ListWalk::new(namespace, principal);
        let mut count = 0;
        while !walk.is_at_end() {
            count += self.next_live(&mut walk).await?.len() as u64;
        }
        Ok(count)
    }
}
