//! Reads the rows of sled's tables, as far as their pages can be read.

use super::SledFiles;
use super::node::{self, Content, Node};
use super::pages::{Pages, ROOTS_PAGE};
use crate::engine::codec;
use crate::engine::durable::sled::leaf_table;
use crate::engine::durable::table::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The pages of a table.
#[derive(Debug, Default)]
pub(in super::super::super) struct TablePages {
    /// For each page with rows: its first key, the first key beyond it (empty at the end), and its number.
    pages: Vec<(Vec<u8>, Vec<u8>, u64)>,
    /// How many ranges of keys no readable page covers.
    pub(in super::super::super) missing_ranges: usize,
}

/// The rows of one page: keys and values.
pub(in super::super::super) type PageRows = Vec<(Vec<u8>, Vec<u8>)>;

impl SledFiles {
    /// Finds the pages of a table. There are none if the table does not exist.
    pub(in super::super::super) fn table(&self, name: &str) -> io::Result<TablePages> {
        let Some(pages) = &self.pages else { return Ok(TablePages::default()) };
        let Some(roots) = pages.read(ROOTS_PAGE)? else {
            return Ok(TablePages { missing_ranges: 1, ..TablePages::default() });
        };
        match node::decode_roots(&roots.base).unwrap_or_default().get(name.as_bytes()) {
            Some(root) => walk(pages, *root),
            None => Ok(TablePages::default()),
        }
    }

    /// The rows of each page of a table, in the order of the keys. Leaves are unpacked.
    pub(in super::super::super) fn rows<'a>(
        &'a self,
        table: Table,
        found: &'a TablePages,
    ) -> impl Iterator<Item = io::Result<PageRows>> + 'a {
        let mut pages = found.pages.iter();
        let mut unpacking = table.has_leaves().then(Unpacking::default);
        std::iter::from_fn(move || {
            let Some((low, high, page)) = pages.next() else {
                return unpacking.take().map(|unpacking| Ok(unpacking.rest));
            };
            let rows = self.rows_of_page(table, low, high, *page);
            Some(match &mut unpacking {
                Some(unpacking) => rows.map(|rows| unpacking.unpack(rows, high)),
                None => rows,
            })
        })
    }

    fn rows_of_page(&self, table: Table, low: &[u8], high: &[u8], page: u64) -> io::Result<PageRows> {
        let node = match &self.pages {
            Some(pages) => read_node(pages, page)?,
            None => None,
        };
        let Some(Node { content: Content::Rows(rows), .. }) = node else { return Ok(PageRows::new()) };
        // A page that is about to be merged away may still hold rows that its neighbour has already.
        let belongs = |key: &[u8]| key >= low && (high.is_empty() || key < high);
        let decrypt = |(key, row): (Vec<u8>, Vec<u8>)| {
            let row = self.cipher.decrypt(table, &key, row.into()).into();
            (key, row)
        };
        Ok(rows.into_iter().filter(|(key, _)| belongs(key)).map(decrypt).collect())
    }
}

/// Unpacks the rows of leaves, page by page.
#[derive(Default)]
struct Unpacking {
    /// Rows that may belong to the next page.
    rest: PageRows,
}

impl Unpacking {
    /// Unpacks the leaves of a page, after the rows left from the page before. Rows that the next page may override are
    /// kept for it.
    fn unpack(&mut self, page: PageRows, high: &[u8]) -> PageRows {
        let mut rows = std::mem::take(&mut self.rest);
        for (low, row) in page {
            rows.truncate(rows.partition_point(|(key, _)| *key < low));
            // Rows of leaf tables are hints, so one that can't be decoded is left out.
            let _ = leaf_table::read(&low, row.into(), |key, payload| {
                rows.push((key.to_vec(), codec::encode_payload(&payload).to_vec()));
                true
            });
        }
        if !high.is_empty() {
            self.rest = rows.split_off(rows.partition_point(|(key, _)| &key[..] < high));
        }
        rows
    }
}

/// Finds the pages with rows. It follows the pointers from above and from the left, because one of them may be lost.
fn walk(pages: &Pages, root: u64) -> io::Result<TablePages> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![root];
    let mut found: BTreeMap<Vec<u8>, (Vec<u8>, u64)> = BTreeMap::new();
    while let Some(page) = waiting.pop() {
        if !seen.insert(page) {
            continue;
        }
        let Some(Node { low, high, next, content }) = read_node(pages, page)? else { continue };
        waiting.extend(next);
        match content {
            Content::Pointers(pointers) => waiting.extend(pointers),
            Content::Rows(_) => drop(found.insert(low, (high, page))),
        }
    }
    let mut table = TablePages::default();
    // The first key that is not covered yet; `None` behind the page that has no end.
    let mut covered = Some(Vec::new());
    for (low, (high, page)) in found {
        let Some(end) = covered else { break };
        if low > end {
            table.missing_ranges += 1;
        }
        covered = (!high.is_empty()).then(|| high.clone().max(end.clone()));
        if high.is_empty() || high > end {
            table.pages.push((low.max(end), high, page));
        }
    }
    if covered.is_some() {
        table.missing_ranges += 1;
    }
    Ok(table)
}

fn read_node(pages: &Pages, page: u64) -> io::Result<Option<Node>> {
    Ok(pages.read(page)?.and_then(|content| node::decode(&content.base, &content.changes)))
}
