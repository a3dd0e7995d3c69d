//! A row for each coupling: the samples, their trajectories, and the learned field half-way.

use std::path::Path;

use advect::prelude::*;
use advect_examples::FONT;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::Outcome;

const PANEL: u32 = 380;
const VIEW: f64 = 6.8;
const SOURCE: RGBColor = RGBColor(150, 150, 150);
const TARGET: RGBColor = RGBColor(230, 140, 40);
const SAMPLE: RGBColor = RGBColor(30, 90, 180);

type Panel<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Plane<'a> = DrawingArea<BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws all outcomes into one picture.
pub(crate) fn draw(path: &Path, test: &[Tensor; 2], outcomes: &[Outcome]) -> Result<()> {
    let size = (3 * PANEL, outcomes.len() as u32 * PANEL);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    let failed = |e: &dyn std::fmt::Display| Error::file(path, e);
    root.fill(&WHITE).map_err(|e| failed(&e))?;
    for (outcome, panels) in outcomes
        .iter()
        .zip(root.split_evenly((outcomes.len(), 3)).chunks(3))
    {
        let name = outcome.name;
        let plane = panel(&panels[0], &format!("{name} pairs: samples on the data"))?;
        for (points, colour, radius) in [
            (&test[0], SOURCE, 1),
            (&test[1], TARGET, 2),
            (&outcome.flow.end()?, SAMPLE, 1),
        ] {
            for [x, y] in rows(points)? {
                plane
                    .draw(&Circle::new((x, y), radius, colour.filled()))
                    .map_err(|e| failed(&e))?;
            }
        }

        let plane = panel(&panels[1], &format!("{name} pairs: trajectories"))?;
        let count = 150.min(test[0].dim(0)?);
        let states: Vec<Vec<[f64; 2]>> = (outcome.flow.states.iter())
            .map(|state| rows(&state.narrow(0, 0, count)?))
            .collect::<Result<_>>()?;
        for i in 0..count {
            let line = states.iter().map(|state| (state[i][0], state[i][1]));
            plane
                .draw(&PathElement::new(line.collect::<Vec<_>>(), SOURCE))
                .map_err(|e| failed(&e))?;
        }
        for (state, colour) in [(&states[0], BLACK), (&states[states.len() - 1], SAMPLE)] {
            for [x, y] in state {
                plane
                    .draw(&Circle::new((*x, *y), 2, colour.filled()))
                    .map_err(|e| failed(&e))?;
            }
        }

        let plane = panel(&panels[2], &format!("{name} pairs: field at t = 1/2"))?;
        for ([x, y], [u, v]) in field(&outcome.net, test[0].device())? {
            // Arrows of a seventh of a unit of time, with a dot at their foot.
            let tip = (x + u / 7.0, y + v / 7.0);
            plane
                .draw(&PathElement::new(vec![(x, y), tip], SAMPLE))
                .map_err(|e| failed(&e))?;
            plane
                .draw(&Circle::new((x, y), 2, SAMPLE.filled()))
                .map_err(|e| failed(&e))?;
        }
    }
    root.present().map_err(|e| failed(&e))
}

/// A square panel under a title, with both axes from −VIEW to VIEW.
fn panel<'a>(area: &Panel<'a>, title: &str) -> Result<Plane<'a>> {
    let failed = |e: &dyn std::fmt::Display| Error::range("panel", e, "a drawing that succeeds");
    let style = (FONT, 18).into_font().color(&BLACK);
    area.draw(&Text::new(title.to_string(), (14, 6), style))
        .map_err(|e| failed(&e))?;
    let inner = area.margin(30, 8, 8, 8);
    let (width, height) = inner.dim_in_pixel();
    let frame = [(0, 0), (width as i32 - 1, height as i32 - 1)];
    inner
        .draw(&Rectangle::new(frame, SOURCE))
        .map_err(|e| failed(&e))?;
    let (x, y) = inner.get_pixel_range();
    let view: RangedCoordf64 = (-VIEW..VIEW).into();
    Ok(inner.apply_coord_spec(Cartesian2d::new(view.clone(), view, (x, y.end..y.start))))
}

/// The learned velocity at t = 1/2 on a grid of points.
fn field(net: &Mlp, device: &Device) -> Result<Vec<([f64; 2], [f64; 2])>> {
    let ticks = || (-6..=6).map(f64::from);
    let grid: Vec<[f64; 2]> = ticks().flat_map(|y| ticks().map(move |x| [x, y])).collect();
    let flat: Vec<f64> = grid.iter().flatten().copied().collect();
    let x = Tensor::from_vec(flat, (grid.len(), 2), device)?.to_dtype(DType::F32)?;
    let velocities = rows(&net.at(&Time::Shared(0.5), &x)?)?;
    Ok(grid.into_iter().zip(velocities).collect())
}

fn rows(points: &Tensor) -> Result<Vec<[f64; 2]>> {
    let rows = points.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    Ok(rows.into_iter().map(|row| [row[0], row[1]]).collect())
}
