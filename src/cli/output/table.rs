//! Aligned columns.

use std::fmt::Write as _;

/// A table whose rows come in portions. Columns become wider when a later portion needs it.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    widths: [usize; N],
    /// Taken when the first portion is shown.
    heading: Option<[&'static str; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&'static str; N]) -> Self {
        Self { widths: [0; N], heading: Some(heading) }
    }

    /// The rows as lines. The first ones come below the heading.
    pub(crate) fn rows(&mut self, rows: Vec<[String; N]>) -> String {
        let heading = self.heading.take().map(|heading| heading.map(ToOwned::to_owned));
        let rows: Vec<[String; N]> = heading.into_iter().chain(rows).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(self.widths) {
                // Writing to a String does not fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let mut table = Table::new(["NAME", "N"]);
        let row = |name: &str, number: &str| [name.to_owned(), number.to_owned()];
        assert_eq!(table.rows(vec![row("a", "1"), row("l\u{e4}nger", "")]), "NAME    N\na       1\nl\u{e4}nger\n");
        assert_eq!(table.rows(vec![row("b", "2")]), "b       2\n");
    }
}
