//! Listing and counting sessions.

use super::{Error, Sessions};
use crate::model::{Handle, Record};

/// Rows that one page looks at, at most: behind it many sessions may have ended and not be swept yet.
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

impl Sessions {
    /// Lists the live sessions of a principal, or of the whole namespace if it is empty. Each is shown as soon as it is
    /// found, so that a long page is no long piece of work at its end.
    pub async fn list<T>(
        &self,
        namespace: &str,
        principal: &str,
        wanted: PageBounds,
        show: impl Fn(Record) -> T,
    ) -> Result<Page<T>, Error> {
        let mut sessions: Vec<T> = Vec::new();
        let mut room = wanted.bytes;
        let (mut before, mut last) = (wanted.before, None);
        for _ in 0..MAX_ROWS_PER_PAGE.div_ceil(super::scan::SLICE) {
            let slice = self.slice(namespace, principal, before).await?;
            for mut record in slice.live {
                if !wanted.attributes {
                    record.attributes.clear();
                }
                // A page holds one session at least, or it would be no step forward.
                if sessions.len() == wanted.sessions || (record.answer_size() > room && !sessions.is_empty()) {
                    return Ok(Page { sessions, next: last });
                }
                room = room.saturating_sub(record.answer_size());
                last = Some(record.handle);
                sessions.push(show(record));
            }
            before = slice.next;
            if before.is_none() {
                break;
            }
        }
        Ok(Page { sessions, next: before })
    }

    /// Counts the live sessions of a principal, or of the whole namespace if it is empty.
    pub async fn count(&self, namespace: &str, principal: &str) -> Result<u64, Error> {
        let (mut count, mut before) = (0, None);
        loop {
            let slice = self.slice(namespace, principal, before).await?;
            count += slice.live.len() as u64;
            if slice.next.is_none() {
                return Ok(count);
            }
            before = slice.next;
        }
    }
}
