//! Decodes sled's pages: the rows of a tree, or pointers to further pages of it.

use super::message::Reader;
use std::collections::BTreeMap;

/// A page of a tree.
#[derive(Debug)]
pub(super) struct Node {
    /// The first key that belongs here.
    pub(super) low: Vec<u8>,
    /// The first key that belongs to the next page; empty if there is none.
    pub(super) high: Vec<u8>,
    /// The page to the right.
    pub(super) next: Option<u64>,
    pub(super) content: Content,
}

/// The content of a page of a tree.
#[derive(Debug)]
pub(super) enum Content {
    Rows(BTreeMap<Vec<u8>, Vec<u8>>),
    Pointers(Vec<u64>),
}

/// Decodes a page from its content and its changes.
pub(super) fn decode(base: &[u8], changes: &[Vec<u8>]) -> Option<Node> {
    let mut rest = Reader(base);
    let next = Some(rest.number()?).filter(|page| *page != 0);
    let mut merging_child = rest.number()?;
    let _merging = rest.byte()?;
    let prefix = usize::from(rest.byte()?);
    let low = rest.string()?.to_vec();
    let high = rest.string()?.to_vec();
    let prefix = low.get(..prefix)?.to_vec();
    let kind = rest.byte()?;
    let count = usize::try_from(rest.number()?).ok()?;
    let keys = (0..count).map(|_| rest.string()).collect::<Option<Vec<_>>>()?;
    let whole = |key: &[u8]| [&prefix[..], key].concat();
    let content = match kind {
        0 => {
            let mut rows = BTreeMap::new();
            for key in keys {
                rows.insert(whole(key), rest.string()?.to_vec());
            }
            for change in changes {
                let mut change = Reader(change);
                match change.byte()? {
                    0 => drop(rows.insert(whole(change.string()?), change.string()?.to_vec())),
                    1 => drop(rows.remove(&whole(change.string()?))),
                    // The page is about to be merged into its left neighbour.
                    4 => {}
                    _ => return None,
                }
            }
            Content::Rows(rows)
        }
        1 => {
            let mut pointers = keys.iter().map(|_| rest.number()).collect::<Option<Vec<_>>>()?;
            for change in changes {
                let mut change = Reader(change);
                match change.byte()? {
                    2 => merging_child = change.number()?,
                    3 => pointers.retain(|page| *page != merging_child),
                    4 => {}
                    _ => return None,
                }
            }
            Content::Pointers(pointers)
        }
        _ => return None,
    };
    Some(Node { low, high, next, content })
}

/// The first page of every tree, by the name of the tree.
pub(super) fn decode_roots(base: &[u8]) -> Option<BTreeMap<Vec<u8>, u64>> {
    let mut rest = Reader(base);
    let mut roots = BTreeMap::new();
    while !rest.0.is_empty() {
        roots.insert(rest.string()?.to_vec(), rest.number()?);
    }
    Some(roots)
}
