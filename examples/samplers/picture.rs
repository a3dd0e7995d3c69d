//! The same noise by each sampler, a row each, with more and more evaluations to the right.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::Sheet;

/// Draws the first samples of each row.
pub(crate) fn draw(path: &Path, rows: &[(&str, Vec<Tensor>)], budgets: &[usize]) -> Result<()> {
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    let blocks: Vec<String> = (budgets.iter())
        .map(|budget| format!("at most {budget} evaluations"))
        .collect();
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let mut sheet = Sheet::new(&names, &blocks, 6, 32);
    for (row, (_, images)) in rows.iter().enumerate() {
        for (block, images) in images.iter().enumerate() {
            sheet.put(row, block, images);
        }
    }
    sheet.draw(path)
}
