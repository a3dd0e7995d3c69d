//! UniPC (Zhao et al., UniPC: a unified predictor-corrector framework for fast sampling of diffusion models, 2023; for the
//! expected data).

use std::collections::VecDeque;

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::Rule;
use crate::{Run, Transition};

/// Exponential integrators like [`DpmSolver`](super::DpmSolver), with a correction of each step by the evaluation at
/// its end, which the next step needs anyway: one more order without more evaluations. A UniPC of order p predicts
/// with order p and corrects to p + 1.
///
/// Steps begin with order 1 and rise; towards clean data they fall again, to 1 in the last step.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformLogSnr;
/// use advect_samplers::rule::{Rule, UniPc};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let sampler = UniPc::order(2)?.on(UniformLogSnr::new(10)?);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, Cosine);
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = sampler.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 1e-6 && (x[0][1] - 2.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniPc {
    order: usize,
    /// Whether B(h) = h.
    linear: bool,
    /// Whether orders fall in the last steps whatever they end at.
    falls: bool,
    /// Whether the last step is corrected.
    corrects_end: bool,
}

impl UniPc {
    /// Creates the rule of order 1, 2 or 3.
    ///
    /// # Errors
    /// [`Error::Range`] for another order.
    pub fn order(order: usize) -> Result<Self> {
        match order {
            1..=3 => Ok(UniPc {
                order,
                linear: false,
                falls: false,
                corrects_end: false,
            }),
            _ => Err(Error::range("order", order, "1, 2 or 3")),
        }
    }

    /// Sets `B(h) = h`, the first of the two scales of differences in the paper (section 3.2), in place of the second,
    /// `e^h − 1`. They differ where a weight is not solved for: in predictions of order 2, and in corrections of steps of order 1.
    #[doc(alias = "bh1")]
    #[doc(alias = "solver_type")]
    pub fn linear_scale(self) -> Self {
        UniPc {
            linear: true,
            ..self
        }
    }

    /// Lets the order fall in the last steps, to 1, whatever they end at; by default it falls towards clean data alone.
    #[doc(alias = "lower_order_final")]
    pub fn lower_final_order(self) -> Self {
        UniPc {
            falls: true,
            ..self
        }
    }

    /// Corrects the last step, too, by one more evaluation at its end, unless that is clean data. Where orders fall in the last steps, they fall to 1 in the step after
    /// it, which would have no length: so schedulers do whose last two levels are the same.
    pub fn correct_end(self) -> Self {
        UniPc {
            corrects_end: true,
            ..self
        }
    }

    /// The weight of the only difference of a step, which is 1/2 on the scale B(h); for the data, h is −h.
    fn only(&self, transition: &Transition) -> f64 {
        let h = transition.log_ratio();
        match self.linear {
            true => 0.5 * h / -(-h).exp_m1(),
            false => 0.5,
        }
    }
}

/// The memory of [`UniPc`].
#[derive(Debug, Clone, Default)]
pub struct UniPcMemory {
    /// λ and the expected data at earlier levels, the latest first.
    values: VecDeque<(f64, Tensor)>,
    last: Option<Last>,
}

/// The last step.
#[derive(Debug, Clone)]
struct Last {
    transition: Transition,
    order: usize,
    /// The state at its start.
    start: Tensor,
    /// The state that it led to.
    predicted: Tensor,
}

/// `x' = (σ'/σ) x + α' (1 − e^(−h)) (D₀ + Σ_k ρ_k (D_k − D₀)/r_k)`, the D_k at places λ + r_k h: places before, at which values
/// are known, and perhaps the end, r = 1.
fn step(
    transition: &Transition,
    x: &Tensor,
    first: &Tensor,
    others: &[(f64, &Tensor)],
    rho: &[f64],
) -> Result<Tensor> {
    let (from, to) = (transition.from, transition.to);
    let moved = -to.alpha * (-transition.log_ratio()).exp_m1();
    let weights: Vec<f64> = (others.iter().zip(rho))
        .map(|((r, _), rho)| rho / r)
        .collect();
    let rest = 1.0 - weights.iter().sum::<f64>();
    let mut terms = Vec::with_capacity(others.len() + 2);
    terms.push(((to.sigma / from.sigma).into(), x));
    terms.push(((moved * rest).into(), first));
    for ((_, value), weight) in others.iter().zip(weights) {
        terms.push(((moved * weight).into(), *value));
    }
    advect_ops::combine(&terms)
}

/// The ρ for which a step is exact for polynomials: `Σ_k ρ_k r_k^(i−1) = i! φ_(i+1)(−h) / φ_1(−h)`, for i = 1 … n places.
fn weights(places: &[f64], h: f64) -> Vec<f64> {
    let hh = -h;
    let phi_1 = hh.exp_m1();
    let (mut phi, mut factorial) = (phi_1 / hh - 1.0, 1.0);
    let mut right = Vec::with_capacity(places.len());
    for i in 1..=places.len() {
        right.push(phi * factorial / phi_1);
        factorial *= (i + 1) as f64;
        phi = phi / hh - 1.0 / factorial;
    }
    vandermonde(places, right)
}

/// Solves `Σ_k w_k r_k^i = b_i` for i = 0 … n − 1 by elimination; the places differ.
fn vandermonde(places: &[f64], mut b: Vec<f64>) -> Vec<f64> {
    let n = places.len();
    // Björck and Pereyra, Solution of Vandermonde systems of equations, 1970.
    for (k, place) in places.iter().enumerate() {
        for i in (k + 1..n).rev() {
            b[i] -= place * b[i - 1];
        }
    }
    for k in (0..n.saturating_sub(1)).rev() {
        for i in k + 1..n {
            b[i] /= places[i] - places[i - k - 1];
        }
        for i in k..n - 1 {
            b[i] -= b[i + 1];
        }
    }
    b
}

impl UniPc {
    fn order_of(&self, transition: &Transition, known: usize) -> usize {
        let order = self.order.min(known);
        let left = transition.count - transition.index;
        match self.falls || transition.end.is_clean() {
            true => order.min(left + usize::from(self.corrects(transition))),
            false => order,
        }
    }

    /// Whether the last step of a run is corrected.
    fn corrects(&self, transition: &Transition) -> bool {
        self.corrects_end && !transition.end.is_clean()
    }

    /// What a step leads to, given the expected data at its end.
    fn corrected(
        &self,
        last: &Last,
        values: &VecDeque<(f64, Tensor)>,
        data: &Tensor,
    ) -> Result<Tensor> {
        let mut others = places(values, &last.transition, last.order);
        others.push((1.0, data));
        let rho = match last.order {
            1 => vec![self.only(&last.transition)],
            _ => {
                let at: Vec<f64> = others.iter().map(|(r, _)| *r).collect();
                weights(&at, last.transition.log_ratio())
            }
        };
        step(&last.transition, &last.start, &values[0].1, &others, &rho)
    }
}

/// The places of earlier levels, as parts of a step behind its start.
fn places<'a>(
    values: &'a VecDeque<(f64, Tensor)>,
    transition: &Transition,
    order: usize,
) -> Vec<(f64, &'a Tensor)> {
    let (start, h) = (0.5 * transition.from.log_snr, transition.log_ratio());
    let earlier = values.iter().skip(1).take(order - 1);
    earlier.map(|(l, value)| ((l - start) / h, value)).collect()
}

impl Rule for UniPc {
    type Memory = UniPcMemory;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut UniPcMemory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let data = run.evaluate(transition.from.time, x)?.data()?;
        let values = &mut memory.values;
        let mut x = x.clone();
        // A step from pure noise is infinitely long: it is left as it is.
        if let Some(last) = &memory.last
            && last.transition.log_ratio().is_finite()
        {
            let corrected = self.corrected(last, values, &data)?;
            // What else was done to the state since, a corrector's noise say, stays.
            let terms = [
                (1.0.into(), &x),
                (1.0.into(), &corrected),
                ((-1.0).into(), &last.predicted),
            ];
            x = advect_ops::combine(&terms)?;
        }
        values.push_front((0.5 * transition.from.log_snr, data));
        values.truncate(3);
        let known = values.iter().filter(|(l, _)| l.is_finite()).count().max(1);
        let order = self.order_of(transition, known);
        let others = places(values, transition, order);
        let rho = match order {
            1 => Vec::new(),
            2 => vec![self.only(transition)],
            _ => {
                let at: Vec<f64> = others.iter().map(|(r, _)| *r).collect();
                weights(&at, transition.log_ratio())
            }
        };
        let next = step(transition, &x, &values[0].1, &others, &rho)?;
        let last = Last {
            transition: *transition,
            order,
            start: x,
            predicted: next.clone(),
        };
        if self.corrects(transition) && transition.index + 1 == transition.count {
            let data = run.evaluate(transition.to.time, &next)?.data()?;
            return self.corrected(&last, values, &data);
        }
        memory.last = Some(last);
        Ok(next)
    }

    fn forget_state(&self, memory: &mut UniPcMemory) {
        memory.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_solved() {
        for places in [vec![1.0], vec![-0.7, 1.0], vec![-0.7, -1.9, 1.0]] {
            let b: Vec<f64> = (0..places.len()).map(|i| 1.0 + 0.3 * i as f64).collect();
            let w = vandermonde(&places, b.clone());
            for (i, b) in b.iter().enumerate() {
                let sum: f64 = (places.iter().zip(&w))
                    .map(|(r, w)| w * r.powi(i as i32))
                    .sum();
                assert!((sum - b).abs() < 1e-13);
            }
        }
        assert!(UniPc::order(4).is_err());
    }
}
