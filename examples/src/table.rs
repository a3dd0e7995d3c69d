//! Tables in Markdown.

use std::fmt::{Display, Formatter};

/// A table with a title for each column, which displays as Markdown with columns of equal width.
///
/// ```
/// use advect_examples::Table;
/// let mut table = Table::new(["method", "W₂"]);
/// table.row(["OT-CFM", "0.25"]);
/// assert_eq!(table.to_string(), "| method | W₂   |\n| ------ | ---- |\n| OT-CFM | 0.25 |\n");
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these titles.
    pub fn new<T: Display>(titles: impl IntoIterator<Item = T>) -> Self {
        let mut table = Table { rows: Vec::new() };
        table.row(titles);
        table
    }

    /// Adds a row. Cells that it lacks are empty.
    pub fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        self.rows.push(cells.map(|cell| cell.to_string()).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], k: usize| row.get(k).cloned().unwrap_or_default();
        let width = |k: usize| {
            let widths = self.rows.iter().map(|row| cell(row, k).chars().count());
            widths.max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (i, row) in self.rows.iter().enumerate() {
            for (k, width) in widths.iter().enumerate() {
                write!(f, "| {:<width$} ", cell(row, k))?;
            }
            writeln!(f, "|")?;
            if i == 0 {
                for width in &widths {
                    write!(f, "| {:-<width$} ", "")?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
