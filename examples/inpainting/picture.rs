//! A block of columns for each problem: the digits, what is known of them, and what each method makes of that.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::Sheet;

use crate::Problem;

/// Draws the first digits. A method that a problem does not have leaves its row empty.
pub(crate) fn draw(path: &Path, digits: &Tensor, problems: &[Problem]) -> Result<()> {
    let methods = problems[0].completed.iter().map(|(name, _)| *name);
    let rows: Vec<&str> = ["digits", "known"].into_iter().chain(methods).collect();
    let blocks: Vec<&str> = problems.iter().map(|problem| problem.name).collect();
    let mut sheet = Sheet::new(&rows, &blocks, 10, 40);
    for (block, problem) in problems.iter().enumerate() {
        sheet.put(0, block, digits);
        sheet.put(1, block, &problem.measured);
        for (name, images) in &problem.completed {
            if let Some(row) = rows.iter().position(|row| row == name) {
                sheet.put(row, block, images);
            }
        }
    }
    sheet.draw(path)
}
