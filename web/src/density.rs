//! The density of the flow on a grid.

use std::ops::Range;

use advect::core::normal::log_standard_normal;
use advect::prelude::*;

use crate::drawing::SCALE;
use crate::playground::Playground;

/// Steps of the midpoint method from t = 1 to 0.
const STEPS: f64 = 12.0;

impl Playground {
    /// Returns the logarithms of the density at time `t`, in the coordinates of the page, at the centres of some rows of a grid of `cells × cells` over the
    /// drawing area, row by row from below.
    ///
    /// They follow from the exact divergence along the flow back to the noise (Chen et al. 2018, eq. 8).
    ///
    /// # Errors
    /// [`Error::Range`] for a time outside `(0, 1]`, and for rows that the grid has not.
    pub fn log_density(&self, t: f64, cells: usize, rows: Range<usize>) -> Result<Vec<f32>> {
        if !(t > 0.0 && t <= 1.0) {
            return Err(Error::range("t", t, "a time in (0, 1]"));
        }
        if !(1..=256).contains(&cells) || rows.start >= rows.end || rows.end > cells {
            let accepted = format!("rows of a grid of 1 to 256 cells, with {cells} rows");
            return Err(Error::range("rows", format!("{rows:?}"), accepted));
        }
        let centre = |i: usize| (((i as f64 + 0.5) / cells as f64 * 2.0 - 1.0) / SCALE) as f32;
        let points =
            rows.flat_map(|row| (0..cells).flat_map(move |column| [centre(column), centre(row)]));
        let points: Vec<f32> = points.collect();
        let x = Tensor::from_vec(points, ((), 2), &Device::Cpu)?;
        let solver = Solver::new(Midpoint, Fixed::steps((STEPS * t).ceil() as usize)?);
        let moved = Flow::new(self.averaged()?, Exact).transport(&solver, &x, t, 0.0)?;
        let log_density = (log_standard_normal(&moved.x)? - moved.log_density_change)?;
        // From the coordinates of the network to those of the page.
        Ok((log_density - 2.0 * SCALE.ln())?.to_vec1()?)
    }
}
