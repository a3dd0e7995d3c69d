//! Rows of tables as points: data, and what was drawn.

use std::ops::Range;
use std::path::Path;

use advect::data::Table;
use advect::prelude::*;

use crate::plot::colour::LINES;
use crate::plot::{Axis, GREY, Panel, panels};
use crate::{Losses, prepare_pictures};

/// Columns beyond these are not drawn.
const COLUMNS: usize = 4;

/// Prints the mean log-likelihood of the held-out rows, which is their column `nats`, and draws `losses.png`, of the log `losses.csv` in the
/// folder, and `samples.png`, of the table's rows and the samples.
///
/// # Errors
/// As [`Losses::of_log`] and [`draw_points`]; an error for held-out rows without that column.
pub fn report_rows(folder: &Path, data: &Table, held_out: &Table, samples: &Table) -> Result<()> {
    prepare_pictures(folder)?;
    let log = folder.join("losses.csv");
    Losses::of_log(&log)?.draw()?;
    draw_points(&folder.join("samples.png"), data, samples)?;
    let (rows, left_out, unseen) = (data.len(), data.left_out(), held_out.len());
    println!("rows                {rows:>8}, {left_out} left out, {unseen} held out");
    let nats = held_out.clone().select(["nats"])?;
    let nats = nats.values().mean_all()?.to_scalar::<f64>()?;
    println!("held-out likelihood {nats:>8.3} nats a row, given the class");
    println!("files               {}", folder.display());
    Ok(())
}

/// Draws each pair of neighbouring columns, the data above and the samples below, with a colour for each class.
///
/// # Errors
/// As [`picture`](fn@crate::plot::picture).
pub fn draw_points(path: &Path, data: &Table, samples: &Table) -> Result<()> {
    let columns = data.dim().min(COLUMNS);
    let pairs: Vec<[usize; 2]> = match columns {
        1 => vec![[0, 0]],
        _ => (1..columns).map(|i| [i - 1, i]).collect(),
    };
    panels(path, 2, pairs.len(), 320, |panels| {
        for (row, (table, name)) in [(data, "data"), (samples, "samples")].iter().enumerate() {
            for (place, &[i, j]) in pairs.iter().enumerate() {
                let names = table.columns();
                let area = &panels[row * pairs.len() + place];
                let axis =
                    |k: usize| Ok::<_, Error>(Axis::linear(range(data, k)?).named(&names[k]));
                let panel = Panel::with_axes(area, name, axis(i)?, axis(j)?)?;
                let points = points(table, i, j)?;
                let Ok(labels) = table.labels() else {
                    panel.dots(&points, 2, &GREY)?;
                    continue;
                };
                for (label, point) in labels.to_vec1::<u32>()?.iter().zip(points) {
                    panel.dots(&[point], 2, &LINES[*label as usize % LINES.len()])?;
                }
            }
        }
        Ok(())
    })
}

fn points(table: &Table, i: usize, j: usize) -> Result<Vec<[f64; 2]>> {
    let rows = table.values().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    Ok(rows.iter().map(|row| [row[i], row[j]]).collect())
}

/// The range of a column, with some room.
fn range(table: &Table, column: usize) -> Result<Range<f64>> {
    let values = points(table, column, column)?;
    let ends = values
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), [x, _]| {
            (low.min(*x), high.max(*x))
        });
    let room = (0.15 * (ends.1 - ends.0))
        .max(1e-9 * ends.1.abs())
        .max(1e-9);
    Ok(ends.0 - room..ends.1 + room)
}
