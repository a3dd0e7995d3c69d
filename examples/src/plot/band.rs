//! Curves with bands.

use advect::prelude::{Error, Result};

use super::{Panel, RGBColor};
use crate::Spread;

impl Panel<'_> {
    /// Fills the band between `[x, low, high]` with a pale colour.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn band(&self, edges: &[[f64; 3]], colour: &RGBColor) -> Result<()> {
        let below = edges.iter().map(|[x, low, _]| [*x, *low]);
        let above = edges.iter().rev().map(|[x, _, high]| [*x, *high]);
        let polygon: Vec<[f64; 2]> = below.chain(above).collect();
        self.fill(&polygon, colour, 0.25)
    }

    /// Draws the mean over runs at each x, in a band of one standard deviation to both sides. Each run has a number for each x.
    ///
    /// # Errors
    /// [`Error::Range`] for runs of another length, [`Error::Empty`] without runs.
    pub fn runs(&self, x: &[f64], runs: &[Vec<f64>], colour: &RGBColor) -> Result<()> {
        if let Some(run) = runs.iter().find(|run| run.len() != x.len()) {
            return Err(Error::range("run", run.len(), "as many numbers as x"));
        }
        let spread = |i: usize| Spread::of(&runs.iter().map(|run| run[i]).collect::<Vec<_>>());
        let spreads: Vec<Spread> = (0..x.len()).map(spread).collect::<Result<_>>()?;
        let edges = x.iter().zip(&spreads).map(|(x, spread)| {
            let half = spread.deviation.unwrap_or(0.0);
            [*x, spread.mean - half, spread.mean + half]
        });
        self.band(&edges.collect::<Vec<_>>(), colour)?;
        let mean = x.iter().zip(&spreads).map(|(x, spread)| [*x, spread.mean]);
        self.stroke(mean, 1.6, colour)
    }
}
