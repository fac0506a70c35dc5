//! Listing and counting sessions.

use super::{Error, Sessions};
use crate::model::{Handle, Record};

/// Rows that one page looks at, at most: behind it many sessions may have ended and not be swept yet.
const MAX_ROWS_PER_PAGE: usize = 10_000;

/// A page of sessions.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub sessions: Vec<Record>,
    /// The session after which the next page begins; `None` if this is the last page.
    pub next: Option<Handle>,
}

impl Sessions {
    /// Lists the live sessions of a principal, or of the whole namespace if it is empty, that were made before the
    /// session `before`.
    pub async fn list(
        &self,
        namespace: &str,
        principal: &str,
        before: Option<Handle>,
        page_size: usize,
    ) -> Result<Page, Error> {
        let mut sessions: Vec<Record> = Vec::new();
        let mut before = before;
        for _ in 0..MAX_ROWS_PER_PAGE.div_ceil(super::scan::SLICE) {
            let slice = self.slice(namespace, principal, before).await?;
            sessions.extend(slice.live);
            if sessions.len() > page_size || (sessions.len() == page_size && slice.next.is_some()) {
                sessions.truncate(page_size);
                let next = sessions.last().map(|record| record.handle);
                return Ok(Page { sessions, next });
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
