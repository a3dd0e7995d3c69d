//! Densities as colours.

use std::ops::Range;

use advect::prelude::{DType, Device, Error, Result, Tensor};

use super::{Palette, Panel};

impl Panel<'_> {
    /// Fills a rectangle with cells, `columns` in a row, from the least x and y on, by their values relative to the greatest.
    ///
    /// # Errors
    /// [`Error::Range`] for values that are no whole rows, or if it can't be drawn.
    pub fn heat(
        &self,
        [x, y]: [Range<f64>; 2],
        columns: usize,
        values: &[f64],
        palette: Palette,
    ) -> Result<()> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(Error::range(
                "values",
                values.len(),
                "whole rows of columns",
            ));
        }
        let rows = values.len() / columns;
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let edge = |range: &Range<f64>, i: usize, n: usize| {
            range.start + (range.end - range.start) * i as f64 / n as f64
        };
        values.iter().enumerate().try_for_each(|(k, value)| {
            let (i, j) = (k % columns, k / columns);
            let corner = |i, j| [edge(&x, i, columns), edge(&y, j, rows)];
            self.tile(
                [corner(i, j), corner(i + 1, j + 1)],
                &palette.at(value / most),
            )
        })
    }

    /// The centres of the cells of [`heat`](Self::heat), `(columns · rows, 2)`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn centres(
        [x, y]: [Range<f64>; 2],
        [columns, rows]: [usize; 2],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let at = |range: &Range<f64>, i: usize, n: usize| {
            range.start + (range.end - range.start) * (i as f64 + 0.5) / n as f64
        };
        let cell = |k: usize| [at(&x, k % columns, columns), at(&y, k / columns, rows)];
        let flat: Vec<f64> = (0..columns * rows).flat_map(cell).collect();
        Ok(Tensor::from_vec(flat, (columns * rows, 2), device)?.to_dtype(dtype)?)
    }
}
