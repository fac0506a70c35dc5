//! The rows of a data folder that no engine has open: the rows in sled, overridden by those in the redo log.

use super::super::sled::{PageRows, TablePages};
use super::super::table::Table;
use super::Inspection;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;

/// A table whose rows can be read.
#[derive(Debug)]
pub(in super::super) struct InspectedTable {
    /// The table whose rows in the redo log override those in sled.
    table: Table,
    in_sled: TablePages,
}

impl InspectedTable {
    /// How many ranges of keys are lost because the page that covers them can't be read.
    pub(in super::super) fn missing_ranges(&self) -> usize {
        self.in_sled.missing_ranges
    }
}

impl Inspection {
    /// Finds the pages of a table. There are none if the table does not exist.
    pub(in super::super) fn table(&self, table: Table) -> io::Result<InspectedTable> {
        self.named(table, table.name())
    }

    pub(super) fn named(&self, table: Table, name: &str) -> io::Result<InspectedTable> {
        Ok(InspectedTable { table, in_sled: self.sled.table(name)? })
    }

    /// The rows of a table, page by page in the order of the keys, with the changes in the redo log. The rows that only
    /// the redo log has come last.
    pub(in super::super) fn rows<'a>(
        &'a self,
        table: &'a InspectedTable,
    ) -> impl Iterator<Item = io::Result<PageRows>> + 'a {
        let changed = self.redo.rows.rows(table.table);
        let mut new: BTreeMap<&[u8], &Bytes> =
            changed.iter().filter_map(|(key, value)| Some((&**key, value.as_ref()?))).collect();
        let mut pages = self.sled.rows(table.table, &table.in_sled);
        let mut is_over = false;
        std::iter::from_fn(move || {
            let mut rows = match pages.next() {
                Some(Ok(rows)) => rows,
                Some(Err(error)) => return Some(Err(error)),
                None if std::mem::replace(&mut is_over, true) => return None,
                None => {
                    let new = std::mem::take(&mut new).into_iter();
                    return Some(Ok(new.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()));
                }
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
            Some(Ok(rows))
        })
    }
}
