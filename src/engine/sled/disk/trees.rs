//! The rows of sled's trees, as far as their pages can be read.

use super::Inspection;
use super::node::{self, Content, Node};
use super::pages::{Pages, ROOTS_PAGE};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A tree.
#[derive(Debug, Default)]
pub(in super::super) struct Tree {
    /// The first key of each page with rows, the first key beyond it (none at the end), and its number.
    leaves: Vec<(Vec<u8>, Vec<u8>, u64)>,
    /// How many ranges of keys are not covered by a page that can be read.
    pub(in super::super) gaps: usize,
}

/// The rows of one page: keys and values.
pub(in super::super) type Rows = Vec<(Vec<u8>, Vec<u8>)>;

impl Inspection {
    /// Finds the pages of a tree; without any if there is no such tree.
    pub(in super::super) fn tree(&self, name: &str) -> io::Result<Tree> {
        let Some(pages) = &self.pages else { return Ok(Tree::default()) };
        let Some(roots) = pages.read(ROOTS_PAGE)? else {
            return Ok(Tree { leaves: Vec::new(), gaps: 1 });
        };
        match node::decode_roots(&roots.base).unwrap_or_default().get(name.as_bytes()) {
            Some(root) => walk(pages, *root),
            None => Ok(Tree::default()),
        }
    }

    /// The rows of each page of a tree, in the order of the keys.
    pub(in super::super) fn rows<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = io::Result<Rows>> + 'a {
        tree.leaves.iter().map(|(low, high, page)| {
            let node = match &self.pages {
                Some(pages) => read_node(pages, *page)?,
                None => None,
            };
            let Some(Node { content: Content::Rows(rows), .. }) = node else { return Ok(Rows::new()) };
            // A page that is about to be merged away may still hold what its neighbour holds already.
            let belongs = |key: &[u8]| key >= &low[..] && (high.is_empty() || key < &high[..]);
            Ok(rows.into_iter().filter(|(key, _)| belongs(key)).collect())
        })
    }
}

/// Finds the pages with rows by the pointers from above and from the left: one of them may be lost.
fn walk(pages: &Pages, root: u64) -> io::Result<Tree> {
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
    let mut tree = Tree::default();
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
