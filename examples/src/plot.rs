//! Square panels with points and lines.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

use advect::prelude::{DType, Error, Result, Tensor};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::{Canvas, FONT, picture};

/// A light grey.
pub const GREY: RGBColor = RGBColor(150, 150, 150);
/// A warm colour.
pub const ORANGE: RGBColor = RGBColor(230, 140, 40);
/// A cold colour.
pub const BLUE: RGBColor = RGBColor(30, 90, 180);

fn failed(error: &dyn Display) -> Error {
    Error::range("picture", error, "a drawing that succeeds")
}

/// Draws on square panels of this size, row by row, and writes them as one [`picture`](fn@crate::picture).
///
/// # Errors
/// As [`picture`](fn@crate::picture).
pub fn panels(
    path: &Path,
    rows: usize,
    columns: usize,
    size: u32,
    draw: impl FnOnce(&[Canvas<'_>]) -> Result<()>,
) -> Result<()> {
    let whole = (columns as u32 * size, rows as u32 * size);
    picture(path, whole, |root| {
        draw(&root.split_evenly((rows, columns)))
    })
}

/// A panel with coordinates, under a title.
pub struct Panel<'a>(DrawingArea<BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>);

impl<'a> Panel<'a> {
    /// With these ranges of x and y.
    ///
    /// # Errors
    /// [`Error::Range`] if it can't be drawn.
    pub fn new(area: &Canvas<'a>, title: &str, x: Range<f64>, y: Range<f64>) -> Result<Self> {
        let style = (FONT, 18).into_font().color(&BLACK);
        area.draw(&Text::new(title.to_string(), (14, 6), style))
            .map_err(|e| failed(&e))?;
        let inner = area.margin(30, 8, 8, 8);
        let (width, height) = inner.dim_in_pixel();
        let frame = [(0, 0), (width as i32 - 1, height as i32 - 1)];
        inner
            .draw(&Rectangle::new(frame, GREY))
            .map_err(|e| failed(&e))?;
        let (across, up) = inner.get_pixel_range();
        let (x, y): (RangedCoordf64, RangedCoordf64) = (x.into(), y.into());
        let plane = Cartesian2d::new(x, y, (across, up.end..up.start));
        Ok(Panel(inner.apply_coord_spec(plane)))
    }

    /// Draws dots.
    ///
    /// # Errors
    /// [`Error::Range`] if they can't be drawn.
    pub fn dots(&self, points: &[[f64; 2]], radius: i32, colour: &RGBColor) -> Result<()> {
        points.iter().try_for_each(|[x, y]| {
            let dot = Circle::new((*x, *y), radius, colour.filled());
            self.0.draw(&dot).map_err(|e| failed(&e))
        })
    }

    /// Draws a line through points.
    ///
    /// # Errors
    /// [`Error::Range`] if it can't be drawn.
    pub fn line(
        &self,
        points: impl IntoIterator<Item = [f64; 2]>,
        colour: &RGBColor,
    ) -> Result<()> {
        let points: Vec<(f64, f64)> = points.into_iter().map(|[x, y]| (x, y)).collect();
        let line = PathElement::new(points, colour.stroke_width(1));
        self.0.draw(&line).map_err(|e| failed(&e))
    }

    /// Fills a rectangle between two corners.
    ///
    /// # Errors
    /// [`Error::Range`] if it can't be drawn.
    pub fn tile(&self, corners: [[f64; 2]; 2], colour: &RGBColor) -> Result<()> {
        let corners = corners.map(|[x, y]| (x, y));
        let tile = Rectangle::new(corners, colour.filled());
        self.0.draw(&tile).map_err(|e| failed(&e))
    }
}

/// The rows of a tensor of points in the plane, `(points, 2)`.
///
/// # Errors
/// Those of candle.
pub fn rows(points: &Tensor) -> Result<Vec<[f64; 2]>> {
    let rows = points.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    Ok(rows.into_iter().map(|row| [row[0], row[1]]).collect())
}
