//! The rows and columns that take part in a plan.

use advect_core::{Error, Result};

use super::Plan;
use crate::Cost;

/// The largest weight that counts as 0. Masses of a plan that are smaller by some orders of magnitude can't be told from 0.
const NOTHING: f64 = 1e-150;

/// The rows and columns that have a weight, and a finite cost to one that has.
pub(super) struct Support {
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Support {
    /// # Errors
    /// [`Error::Range`] for a row or column that has a weight and nowhere to take it, unless it may be left out.
    pub(super) fn new(cost: &Cost, rows: &[f64], columns: &[f64], leave_out: bool) -> Result<Self> {
        let weighty = |weights: &[f64]| -> Vec<usize> {
            (0..weights.len())
                .filter(|i| weights[*i] > NOTHING)
                .collect()
        };
        let (rows, columns) = (weighty(rows), weighty(columns));
        let row = |i: &usize| columns.iter().any(|j| cost.row(*i)[*j] < f64::INFINITY);
        let column = |j: &usize| rows.iter().any(|i| cost.row(*i)[*j] < f64::INFINITY);
        let blocked = |what: &str, i: usize| {
            let given = format!("{what} {i} with infinite costs only");
            Err(Error::range("cost", given, "a finite cost for each weight"))
        };
        if !leave_out {
            if let Some(i) = rows.iter().find(|i| !row(i)) {
                return blocked("row", *i);
            }
            if let Some(j) = columns.iter().find(|j| !column(j)) {
                return blocked("column", *j);
            }
        }
        let support = Support {
            rows: rows.iter().copied().filter(|i| row(i)).collect(),
            columns: columns.iter().copied().filter(|j| column(j)).collect(),
        };
        match support.rows.is_empty() {
            true => blocked("every row", 0),
            false => Ok(support),
        }
    }

    /// Whether nothing is left out.
    pub(super) fn is_all(&self, cost: &Cost) -> bool {
        (self.rows.len(), self.columns.len()) == (cost.rows(), cost.columns())
    }

    /// The costs among the rows and columns that take part.
    pub(super) fn costs(&self, cost: &Cost) -> Cost {
        cost.part(&self.rows, &self.columns, false)
    }

    /// The weights of the rows and of the columns that take part.
    pub(super) fn weights(&self, rows: &[f64], columns: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let pick = |of: &[usize], weights: &[f64]| of.iter().map(|i| weights[*i]).collect();
        (pick(&self.rows, rows), pick(&self.columns, columns))
    }

    /// The plan of all rows and columns from the plan of the ones that take part.
    pub(super) fn spread(&self, plan: Plan, rows: &[f64], columns: &[f64]) -> Plan {
        let mut values = vec![0.0; rows.len() * columns.len()];
        for (k, i) in self.rows.iter().enumerate() {
            for (value, j) in plan.row(k).iter().zip(&self.columns) {
                values[i * columns.len() + j] = *value;
            }
        }
        let place = |of: &[usize], potentials: &[f64], count: usize| {
            let mut all = vec![f64::NEG_INFINITY; count];
            for (i, p) in of.iter().zip(potentials) {
                all[*i] = *p;
            }
            all
        };
        Plan {
            values,
            columns: columns.len(),
            row_goals: rows.to_vec(),
            column_goals: columns.to_vec(),
            row_potentials: place(&self.rows, &plan.row_potentials, rows.len()),
            column_potentials: place(&self.columns, &plan.column_potentials, columns.len()),
            ..plan
        }
    }
}
