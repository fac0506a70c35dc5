//! The rows of sled's trees, as far as their pages can be read.

use super::super::packed;
use super::super::table::Table;
use super::Inspection;
use super::node::{self, Content, Node};
use super::pages::{Pages, ROOTS_PAGE};
use crate::engine::codec;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A tree.
#[derive(Debug)]
pub(in super::super) struct Tree {
    /// Whose rows in the redo log come on top.
    table: Table,
    /// The first key of each page with rows, the first key beyond it (none at the end), and its number.
    leaves: Vec<(Vec<u8>, Vec<u8>, u64)>,
    /// How many ranges of keys are not covered by a page that can be read.
    pub(in super::super) gaps: usize,
}

/// The rows of one page: keys and values.
pub(in super::super) type Rows = Vec<(Vec<u8>, Vec<u8>)>;

impl Inspection {
    /// Finds the pages of a tree; without any if there is no such tree.
    pub(in super::super) fn tree(&self, table: Table) -> io::Result<Tree> {
        self.named(table, table.name())
    }

    pub(super) fn named(&self, table: Table, name: &str) -> io::Result<Tree> {
        let none = |gaps| Tree { table, leaves: Vec::new(), gaps };
        let Some(pages) = &self.pages else { return Ok(none(0)) };
        let Some(roots) = pages.read(ROOTS_PAGE)? else { return Ok(none(1)) };
        match node::decode_roots(&roots.base).unwrap_or_default().get(name.as_bytes()) {
            Some(root) => walk(table, pages, *root),
            None => Ok(none(0)),
        }
    }

    /// The rows of each page of a tree with what the redo log changes of them, in the order of the keys; and then those
    /// that only the redo log has.
    pub(in super::super) fn rows<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = io::Result<Rows>> + 'a {
        let changed = self.redo.rows.rows(tree.table);
        let mut new: BTreeMap<&[u8], &Bytes> =
            changed.iter().filter_map(|(key, value)| Some((&**key, value.as_ref()?))).collect();
        let mut pages = tree.leaves.iter();
        let mut is_over = false;
        let mut unpacking = Unpacking::default();
        std::iter::from_fn(move || {
            let mut rows = match pages.next() {
                Some((low, high, page)) => match self.rows_of_page(low, high, *page) {
                    Ok(rows) if tree.table.is_packed() => unpacking.unpack(rows, high),
                    Ok(rows) => rows,
                    Err(error) => return Some(Err(error)),
                },
                None if std::mem::replace(&mut is_over, true) => return None,
                None => std::mem::take(&mut unpacking.rest),
            };
            rows.retain_mut(|(key, value)| match changed.get(&key[..]) {
                Some(None) => false,
                Some(Some(newer)) => {
                    *value = newer.to_vec();
                    new.remove(&key[..]);
                    true
                }
                None => true,
            });
            if is_over {
                rows.extend(std::mem::take(&mut new).into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
            }
            Some(Ok(rows))
        })
    }

    fn rows_of_page(&self, low: &[u8], high: &[u8], page: u64) -> io::Result<Rows> {
        let node = match &self.pages {
            Some(pages) => read_node(pages, page)?,
            None => None,
        };
        let Some(Node { content: Content::Rows(rows), .. }) = node else { return Ok(Rows::new()) };
        // A page that is about to be merged away may still hold what its neighbour holds already.
        let belongs = |key: &[u8]| key >= low && (high.is_empty() || key < high);
        Ok(rows.into_iter().filter(|(key, _)| belongs(key)).collect())
    }
}

/// Takes the small rows out of those in which many stand, page by page.
#[derive(Default)]
struct Unpacking {
    /// What may belong to the next page.
    rest: Rows,
}

impl Unpacking {
    /// The small rows of a page, with what is left of the one before, as far as the next page can't know better.
    fn unpack(&mut self, page: Rows, high: &[u8]) -> Rows {
        let mut rows = std::mem::take(&mut self.rest);
        for (low, row) in page {
            rows.truncate(rows.partition_point(|(key, _)| *key < low));
            // What can't be decoded is a hint less.
            let _ = packed::read(&low, row.into(), |key, payload| {
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

/// Finds the pages with rows by the pointers from above and from the left: one of them may be lost.
fn walk(table: Table, pages: &Pages, root: u64) -> io::Result<Tree> {
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
    let mut tree = Tree { table, leaves: Vec::new(), gaps: 0 };
    // `None` behind the page that has no end.
    let mut covered = Some(Vec::new());
    for (low, (high, page)) in found {
        let Some(end) = covered else { break };
        if low > end {
            tree.gaps += 1;
        }
        covered = (!high.is_empty()).then(|| high.clone().max(end.clone()));
        if high.is_empty() || high > end {
            tree.leaves.push((low.max(end), high, page));
        }
    }
    if covered.is_some() {
        tree.gaps += 1;
    }
    Ok(tree)
}

fn read_node(pages: &Pages, page: u64) -> io::Result<Option<Node>> {
    Ok(pages.read(page)?.and_then(|content| node::decode(&content.base, &content.changes)))
}
