//! Errors against work.

use std::path::Path;

use advect::prelude::Result;

use super::colour::LINES;
use super::{Axis, Corner, Panel, panels};

/// Draws a logarithmic panel with a curve `[work, error]` for each name.
///
/// # Errors
/// As [`picture`](fn@super::picture).
pub fn work_precision(
    path: &Path,
    title: &str,
    [work, error]: [&str; 2],
    curves: &[(&str, Vec<[f64; 2]>)],
) -> Result<()> {
    let values = |k: usize| {
        curves
            .iter()
            .flat_map(move |(_, points)| points.iter().map(move |p| p[k]))
    };
    let (x, y) = (Axis::log_around(values(0)), Axis::log_around(values(1)));
    panels(path, 1, 1, 560, |areas| {
        let panel = Panel::with_axes(&areas[0], title, x.named(work), y.named(error))?;
        let mut names = Vec::new();
        for (k, (name, points)) in curves.iter().enumerate() {
            let colour = LINES[k % LINES.len()];
            panel.stroke(points.iter().copied(), 1.6, &colour)?;
            panel.dots(points, 4, &colour)?;
            names.push((*name, colour));
        }
        panel.legend(Corner::BottomLeft, &names)
    })
}
