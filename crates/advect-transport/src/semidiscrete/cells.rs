//! The cells: one for each distinct point with a weight.

use std::collections::HashMap;

use advect_core::{Result, check};
use candle_core::Tensor;

use crate::{Points, points, weights};

/// Distinct points with weights above 0, and which of the given points are each of them.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    points: Tensor,
    weights: Vec<f64>,
    /// The given points of each cell, with the cumulative sums of their shares in its weight, which end at 1.
    members: Vec<Vec<(usize, f64)>>,
}

impl Cells {
    /// # Errors
    /// Those of [`Points::new`] and of the weights.
    pub(super) fn new(points: &Tensor, weights: &[f64]) -> Result<Self> {
        let rows = points::rows("points", points)?;
        check::finite("points", &rows)?;
        let sum = weights::check("weights", weights, rows.dim(0)?)?;
        let place = |row: Vec<f64>| -> Vec<u64> {
            // −0 is 0.
            row.into_iter().map(|x| (x + 0.0).to_bits()).collect()
        };
        let values = rows.to_dtype(candle_core::DType::F64)?.to_vec2()?;
        let mut numbers = HashMap::new();
        let mut firsts = Vec::new();
        let mut members: Vec<Vec<(usize, f64)>> = Vec::new();
        for (i, row) in values.into_iter().enumerate() {
            if weights[i] > 0.0 {
                let cell = *numbers.entry(place(row)).or_insert(members.len());
                if cell == members.len() {
                    firsts.push(i as u32);
                    members.push(Vec::new());
                }
                let so_far = members[cell].last().map_or(0.0, |(_, sum)| *sum);
                members[cell].push((i, so_far + weights[i]));
            }
        }
        let totals = members.iter_mut().map(|members| {
            let total = members.last().map_or(0.0, |(_, sum)| *sum);
            members.iter_mut().for_each(|(_, share)| *share /= total);
            total / sum
        });
        Ok(Cells {
            weights: totals.collect(),
            points: rows.index_select(&Tensor::new(firsts, rows.device())?, 0)?,
            members,
        })
    }

    /// The points, `(cells, d)`.
    pub(super) fn points(&self) -> &Tensor {
        &self.points
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    pub(super) fn count(&self) -> usize {
        self.weights.len()
    }

    /// The given points of a cell.
    pub(super) fn members(&self, cell: usize) -> impl Iterator<Item = usize> {
        self.members[cell].iter().map(|(i, _)| *i)
    }

    /// One of the given points of a cell, by a number in [0, 1).
    pub(super) fn member(&self, cell: usize, u: f64) -> usize {
        let members = &self.members[cell];
        let place = members.partition_point(|(_, share)| *share <= u);
        members[place.min(members.len() - 1)].0
    }

    /// The squared distances of the points from `origin` and from their own mean.
    pub(super) fn distances_from(&self, origin: &[f64]) -> Result<[Vec<f64>; 2]> {
        let points = Points::from_rows(&self.points)?;
        let mean = points.weighted_mean(&self.weights);
        Ok([origin, &mean].map(|from| points.clone().seen_from(from).squared_norms()))
    }
}
