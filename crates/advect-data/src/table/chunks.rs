//! The rows of a table in chunks.

use advect_core::{Result, check};

use super::Table;

impl Table {
    /// Returns the rows in their order, in tables of `size` rows; the last one has the rest. Each row comes once.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a size of 0; those of candle.
    pub fn chunks(&self, size: usize) -> Result<impl Iterator<Item = Table>> {
        check::at_least_one("size", size)?;
        let starts = (0..self.len()).step_by(size);
        let chunk = |start: usize| {
            let count = size.min(self.len() - start);
            self.map(|x| Ok(x.narrow(0, start, count)?))
        };
        let chunks: Vec<Table> = starts.map(chunk).collect::<Result<_>>()?;
        Ok(chunks.into_iter())
    }
}
