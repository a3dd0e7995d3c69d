//! The kernel `exp((f_i + g_j − c_ij)/ε)` and its scalings.

use advect_core::{Error, Result, parallel};
use advect_kernels::dispatch;
use advect_ops::exponentiate;

use super::Plan;
use super::pass::{Pass, least};
use crate::Cost;

/// Scalings beyond this, or below its inverse, go into the potentials.
const LARGE: f64 = 1e50;
/// Parts of the plan below this count for nothing: subnormal numbers would cost a hundred times as much as 0.
const TINY: f64 = 1e-200;
/// Rows of a piece of work: fixed, so that sums don't depend on the number of threads.
const ROWS: usize = 64;

pub(super) struct Kernel<'a> {
    cost: &'a Cost,
    /// Goals of the marginals.
    a: &'a [f64],
    b: &'a [f64],
    /// Potentials, in units of the cost.
    f: Vec<f64>,
    g: Vec<f64>,
    epsilon: f64,
    /// `ρ/(ρ + ε)`, which is 1 for balanced transport.
    power: f64,
    /// `exp((f_i + g_j − c_ij)/ε)`.
    values: Vec<f64>,
    /// Scalings of rows and columns.
    u: Vec<f64>,
    v: Vec<f64>,
}

impl<'a> Kernel<'a> {
    pub(super) fn new(cost: &'a Cost, a: &'a [f64], b: &'a [f64]) -> Self {
        Kernel {
            cost,
            a,
            b,
            f: vec![0.0; a.len()],
            g: vec![0.0; b.len()],
            epsilon: f64::NAN,
            power: 1.0,
            values: vec![0.0; a.len() * b.len()],
            u: vec![1.0; a.len()],
            v: vec![1.0; b.len()],
        }
    }

    /// Goes on with another ε: one iteration in the log domain, after which no row or column of the kernel vanishes.
    pub(super) fn regularize(&mut self, epsilon: f64, penalty: f64) -> Result<()> {
        self.absorb();
        self.epsilon = epsilon;
        self.power = match penalty {
            f64::INFINITY => 1.0,
            rho => rho / (rho + epsilon),
        };
        self.log_iteration()
    }

    /// Puts the scalings into the potentials.
    fn absorb(&mut self) {
        for (potentials, scalings) in [(&mut self.f, &mut self.u), (&mut self.g, &mut self.v)] {
            for (p, s) in potentials.iter_mut().zip(scalings.iter_mut()) {
                if *s != 1.0 {
                    *p += self.epsilon * s.ln();
                    *s = 1.0;
                }
            }
        }
    }

    /// One iteration on the potentials themselves, and the kernel made anew.
    fn log_iteration(&mut self) -> Result<()> {
        self.update_rows();
        let mut sums = self.column_sums();
        if sums.iter().any(|sum| *sum < TINY) {
            self.update_columns();
            sums = self.column_sums();
        }
        let shrunk: Vec<f64> = self.g.iter().map(|&g| self.shrink(g)).collect();
        let factors =
            (sums.iter().zip(self.b).zip(&shrunk)).map(|((&sum, b), shrink)| match sum < TINY {
                // Unbalanced transport leaves it out; its potential is right.
                true => 1.0,
                false => (b / sum).powf(self.power) * shrink,
            });
        let factors: Vec<f64> = factors.collect();
        for row in self.values.chunks_exact_mut(self.b.len()) {
            for (value, factor) in row.iter_mut().zip(&factors) {
                let scaled = *value * factor;
                *value = if scaled < TINY { 0.0 } else { scaled };
            }
        }
        for (g, factor) in self.g.iter_mut().zip(&factors) {
            *g += self.epsilon * factor.ln();
        }
        let finite = |x: &[f64]| x.iter().all(|x| x.is_finite());
        match finite(&self.f) && finite(&self.g) && finite(&self.values) {
            true => Ok(()),
            false => Err(Error::stopped(
                format!("regularization {}", self.epsilon),
                "the costs are too large beside it: the potentials overflow",
            )),
        }
    }

    /// `f_i = power · ε (ln a_i − ln Σ_j exp((g_j − c_ij)/ε))`, and the kernel with it.
    fn update_rows(&mut self) {
        let columns = self.b.len();
        let inverse = 1.0 / self.epsilon;
        for (i, row) in self.values.chunks_exact_mut(columns).enumerate() {
            for ((value, c), g) in row.iter_mut().zip(self.cost.row(i)).zip(&self.g) {
                *value = c - g;
            }
            let nearest = least(row);
            for value in row.iter_mut() {
                *value = (nearest - *value) * inverse;
            }
            // Kept until the sums are known.
            self.f[i] = nearest;
        }
        exponentiate(&mut self.values);
        for (i, row) in self.values.chunks_exact_mut(columns).enumerate() {
            let sum: f64 = row.iter().sum();
            let full = self.f[i] * inverse - sum.ln();
            let f = self.power * (self.a[i].ln() + full);
            self.f[i] = f * self.epsilon;
            let factor = (f - full).exp() / sum;
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }

    fn column_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.b.len()];
        for row in self.values.chunks_exact(self.b.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sums
    }

    /// `g_j = power · ε (ln b_j − ln Σ_i exp((f_i − c_ij)/ε))` where a column is so far from all rows that its part of
    /// the kernel vanished, and the kernel with it.
    fn update_columns(&mut self) {
        let columns = self.b.len();
        let inverse = 1.0 / self.epsilon;
        for j in 0..columns {
            let exponent = |i: usize| (self.f[i] - self.cost.row(i)[j]) * inverse;
            let largest = (0..self.a.len()).map(exponent).fold(f64::MIN, f64::max);
            let sum: f64 = (0..self.a.len())
                .map(|i| (exponent(i) - largest).exp())
                .sum();
            let g = self.power * (self.b[j].ln() - largest - sum.ln());
            self.g[j] = self.epsilon * g;
            for i in 0..self.a.len() {
                let exponent = (self.f[i] - self.cost.row(i)[j]) * inverse;
                self.values[i * columns + j] = (exponent + g).exp();
            }
        }
    }

    /// The amount that unbalanced transport takes off a scaling whose potential the kernel includes.
    fn shrink(&self, potential: f64) -> f64 {
        match self.power {
            1.0 => 1.0,
            power => ((power - 1.0) * potential / self.epsilon).exp(),
        }
    }

    /// One iteration, over-relaxed by a factor: rows, then columns. Returns how far the rows were off before.
    pub(super) fn iterate(&mut self, relaxation: f64) -> Result<f64> {
        let (rows, columns) = (self.a.len(), self.b.len());
        let pieces = rows.div_ceil(ROWS);
        let (mut errors, mut sums) = (vec![0.0; pieces], vec![0.0; pieces * columns]);
        let mut next = vec![0.0; rows];
        let this = &*self;
        let scaling = |i: usize, sum: f64| {
            let ratio = this.a[i] / sum;
            match this.power {
                1.0 => ratio,
                power => ratio.powf(power) * this.shrink(this.f[i]),
            }
        };
        struct Piece<'a> {
            first: usize,
            error: &'a mut f64,
            next: &'a mut [f64],
            sums: &'a mut [f64],
        }
        let parts = (errors.iter_mut().zip(next.chunks_mut(ROWS))).zip(sums.chunks_mut(columns));
        let pieces = parts.enumerate().map(|(i, ((error, next), sums))| Piece {
            first: i * ROWS,
            error,
            next,
            sums,
        });
        let time = rows * columns / 5;
        parallel::each(pieces.collect(), time, |piece: Piece<'_>| {
            let first = piece.first;
            let last = first + piece.next.len();
            *piece.error = dispatch(Pass {
                values: &this.values[first * columns..last * columns],
                v: &this.v,
                u: &this.u[first..last],
                next: piece.next,
                sums: piece.sums,
                step: |i: usize, sum: f64, u: f64| {
                    if sum == 0.0 && this.power < 1.0 {
                        return (u, 0.0);
                    }
                    let scaling = scaling(first + i, sum);
                    (relaxed(u, scaling, relaxation), sum * (scaling - u).abs())
                },
            });
        });
        let mut total = vec![0.0; columns];
        for sums in sums.chunks_exact(columns) {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        let mass: f64 = total.iter().zip(&self.v).map(|(sum, v)| sum * v).sum();
        for (j, total) in total.iter_mut().enumerate() {
            if *total == 0.0 && self.power < 1.0 {
                *total = self.v[j];
                continue;
            }
            let ratio = self.b[j] / *total;
            let scaling = match self.power {
                1.0 => ratio,
                power => ratio.powf(power) * self.shrink(self.g[j]),
            };
            *total = relaxed(self.v[j], scaling, relaxation);
        }
        let large = |x: &f64| !(1.0 / LARGE..LARGE).contains(x);
        if next.iter().any(large) || total.iter().any(large) {
            // The last scalings that were well are kept, and the step made with more care.
            self.absorb();
            self.log_iteration()?;
            return Ok(f64::INFINITY);
        }
        self.u = next;
        self.v = total;
        let error: f64 = errors.iter().sum();
        if self.power < 1.0 {
            self.shift();
            return Ok(error / mass.max(f64::MIN_POSITIVE));
        }
        Ok(error)
    }

    /// Moves unbalanced potentials by f + λ, g − λ to the best λ, which leaves the kernel as it is and would otherwise take
    /// about ρ/ε iterations (Séjourné, Vialard and Peyré 2022).
    fn shift(&mut self) {
        let rho = self.epsilon * self.power / (1.0 - self.power);
        let weight = |goals: &[f64], potentials: &[f64], scalings: &[f64]| -> f64 {
            let parts = goals.iter().zip(potentials).zip(scalings);
            let part = |((goal, p), s): ((&f64, &f64), &f64)| {
                goal * (-(p + self.epsilon * s.ln()) / rho).exp()
            };
            parts.map(part).sum()
        };
        let (of_rows, of_columns) = (
            weight(self.a, &self.f, &self.u),
            weight(self.b, &self.g, &self.v),
        );
        let shift = 0.5 * rho * (of_rows / of_columns).ln();
        if shift.is_finite() {
            self.f.iter_mut().for_each(|f| *f += shift);
            self.g.iter_mut().for_each(|g| *g -= shift);
        }
    }

    /// The plan. After a plain step its columns are exact; the rows' error before the step bounds that after it.
    pub(super) fn finish(mut self, iterations: usize, error: f64, converged: bool) -> Plan {
        let columns = self.b.len();
        for (row, u) in self.values.chunks_exact_mut(columns).zip(&self.u) {
            for (value, v) in row.iter_mut().zip(&self.v) {
                *value *= u * v;
            }
        }
        self.absorb();
        Plan {
            values: self.values,
            columns,
            row_goals: self.a.to_vec(),
            column_goals: self.b.to_vec(),
            forbidden: Vec::new(),
            row_potentials: self.f,
            column_potentials: self.g,
            iterations,
            error,
            converged,
        }
    }
}

/// Relative changes below this may be over-relaxed.
const NEAR: f64 = 0.3;

/// A step from one scaling to another, a longer one if it is short: to first order, the power of their ratio.
fn relaxed(from: f64, to: f64, factor: f64) -> f64 {
    let change = to - from;
    if change.abs() < NEAR * from {
        from + factor * change
    } else {
        to
    }
}
