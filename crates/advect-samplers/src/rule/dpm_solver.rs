//! DPM-Solver++ (Lu et al., DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models, 2022: "2M" is
//! their algorithm 2; "3M" is in their code).

use std::collections::VecDeque;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::Rule;
use crate::{Run, Transition};

/// Exponential integrators in `λ = ln(α/σ)` for the expected data D, which is approximated by a polynomial in λ
/// through the last levels: with `h = λ' − λ` and η = 0, `x' = (σ'/σ) x + α' ∫₀^h e^(l − h) D(λ + l) dl`.
///
/// Order 1 is [`Ddim`](super::Ddim), 2 is "2M", 3 is "3M". With η above 0 it solves the reverse SDE with η times the forward
/// process's variance: η = 1 is "SDE-DPM-Solver++", of which order 1 is [`Ancestral`](super::Ancestral) sampling.
///
/// Steps begin with order 1 and rise; the step to clean data, for which h is infinite, is of order 1, and before it, on
/// grids of fewer than 15 steps, one of at most 2, which the authors found more stable.
///
/// The order 3 here has the full second derivative. The "3M" of the authors' code, k-diffusion and diffusers takes half of it, which makes
/// it converge with order 2 (and a smaller constant than 2M): [`DpmSolver::customary_third_order`].
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformLogSnr;
/// use advect_samplers::rule::{DpmSolver, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let two_m = DpmSolver::order(2)?.on(UniformLogSnr::new(20)?);
/// let sde = DpmSolver::order(2)?.stochastic(1.0)?.on(UniformLogSnr::new(20)?);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, Cosine);
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = two_m.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 1e-6 && (x[0][1] - 2.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DPM-Solver++")]
#[doc(alias = "DPM++ 2M")]
#[doc(alias = "DPM++ 2M SDE")]
#[doc(alias = "DPM++ 3M SDE")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmSolver {
    order: usize,
    eta: f64,
    /// The part of the second derivative that is taken.
    curvature: f64,
    /// Whether order 2 integrates the slope exactly.
    exact: bool,
}

impl DpmSolver {
    /// Creates the rule of order 1, 2 or 3, without noise.
    ///
    /// # Errors
    /// [`Error::Range`] for another order.
    pub fn order(order: usize) -> Result<Self> {
        match order {
            1..=3 => Ok(DpmSolver {
                order,
                eta: 0.0,
                curvature: 1.0,
                exact: false,
            }),
            _ => Err(Error::range("order", order, "1, 2 or 3")),
        }
    }

    /// Creates the customary "3M", with half of the second derivative.
    pub fn customary_third_order() -> Self {
        DpmSolver {
            order: 3,
            eta: 0.0,
            curvature: 0.5,
            exact: false,
        }
    }

    /// Sets the steps of order 2 to be exact for data that is a linear function of λ, `∫₀^h e^(l − h) l dl = h + e^(−h) − 1` for
    /// the slope, in place of `h (1 − e^(−h))/2`, which is the same up to h² and the default. diffusers and the authors' code call
    /// it "heun", though it takes no evaluations more.
    #[doc(alias = "solver_type")]
    pub fn heun(self) -> Self {
        DpmSolver {
            exact: true,
            ..self
        }
    }

    /// Sets η, between 0 for the flow and 1 for the forward process's variance.
    ///
    /// # Errors
    /// [`Error::Range`] otherwise.
    #[doc(alias = "SDE-DPM-Solver++")]
    pub fn stochastic(self, eta: f64) -> Result<Self> {
        Ok(DpmSolver {
            eta: check::fraction("eta", eta)?,
            ..self
        })
    }

    /// Returns the order of a step, with `known` values in memory.
    fn order_of(&self, transition: &Transition, known: usize) -> usize {
        let left = transition.count - transition.index;
        let order = self.order.min(known);
        match transition.end.is_clean() {
            _ if transition.to.is_clean() => 1,
            true if transition.count < 15 => order.min(left),
            _ => order,
        }
    }
}

/// The weights of the values, the latest first, in D'h and in D''h², from the differences to the last ones: with r the
/// distances of earlier levels as parts of h.
fn derivatives(distances: &[f64]) -> ([f64; 3], [f64; 3]) {
    match *distances {
        [] => ([0.0; 3], [0.0; 3]),
        [r0] => ([1.0 / r0, -1.0 / r0, 0.0], [0.0; 3]),
        [r0, r1, ..] => {
            // Divided differences of the polynomial through three levels.
            let first = [1.0 / r0, -1.0 / r0, 0.0];
            let second = [0.0, 1.0 / r1, -1.0 / r1];
            let curvature = std::array::from_fn(|i| 2.0 * (first[i] - second[i]) / (r0 + r1));
            let slope = std::array::from_fn(|i| first[i] + 0.5 * r0 * curvature[i]);
            (slope, curvature)
        }
    }
}

impl Rule for DpmSolver {
    /// λ and the expected data at earlier levels, the latest first.
    type Memory = VecDeque<(f64, Tensor)>;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut Self::Memory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (from, to, h) = (transition.from, transition.to, transition.log_ratio());
        let data = run.evaluate(from.time, x)?.data()?;
        memory.push_front((0.5 * from.log_snr, data));
        memory.truncate(3);
        // Pure noise is infinitely far away.
        let known = memory.iter().filter(|(l, _)| l.is_finite()).count().max(1);
        let order = self.order_of(transition, known);

        // e^(−η h), where h may be infinite.
        let kept = match self.eta == 0.0 {
            true => 1.0,
            false => (-self.eta * h).exp(),
        };
        let total = (1.0 + self.eta) * h;
        let moved = -(-total).exp_m1();
        let lambdas: Vec<f64> = memory.iter().take(order).map(|(l, _)| *l).collect();
        let distances: Vec<f64> = lambdas.windows(2).map(|w| (w[0] - w[1]) / h).collect();
        let (slope, curvature) = derivatives(&distances);
        // The integrals of 1, l/h and l²/2h² against the exponential.
        let [of_slope, of_curvature] = match order {
            1 => [0.0; 2],
            // What the authors call midpoint: equal to φ up to h².
            2 if !self.exact => [0.5 * moved, 0.0],
            _ => {
                let phi_2 = 1.0 - moved / total;
                [phi_2, self.curvature * (0.5 - phi_2 / total)]
            }
        };
        let deviation = match self.eta == 0.0 {
            true => 0.0,
            false => to.sigma * (-(-2.0 * self.eta * h).exp_m1()).sqrt(),
        };
        let z = match deviation == 0.0 {
            true => None,
            false => Some(run.normal_like(x)?),
        };
        let mut terms = Vec::with_capacity(5);
        terms.push(((to.sigma / from.sigma * kept).into(), x));
        for (i, (_, value)) in memory.iter().take(order).enumerate() {
            let constant = if i == 0 { moved } else { 0.0 };
            let weight = constant + of_slope * slope[i] + of_curvature * curvature[i];
            terms.push(((to.alpha * weight).into(), value));
        }
        if let Some(z) = &z {
            terms.push((deviation.into(), z));
        }
        advect_ops::combine(&terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn derivatives_of_a_parabola_are_exact() {
        // D(l) = 2 − 3 l + 5 l² at l = 0, −0.7, −1.1: D' = −3, D'' = 10.
        let value = |l: f64| 2.0 - 3.0 * l + 5.0 * l * l;
        let values = [0.0, -0.7, -1.1].map(value);
        let (slope, curvature) = derivatives(&[0.7, 0.4]);
        let sum = |w: [f64; 3]| w.iter().zip(values).map(|(w, v)| w * v).sum::<f64>();
        assert!((sum(slope) + 3.0).abs() < 1e-13 && (sum(curvature) - 10.0).abs() < 1e-13);
    }

    #[test]
    fn orders_rise_and_fall() {
        let orders = |count: usize, clean: bool| -> Vec<usize> {
            let rule = DpmSolver::order(3).unwrap();
            let noisy = |index: usize| Level {
                log_snr: index as f64,
                sigma: 1.0,
                ..Level::clean()
            };
            let end = if clean { Level::clean() } else { noisy(count) };
            let order = |index| {
                let to = if index + 1 == count {
                    end
                } else {
                    noisy(index + 1)
                };
                let transition = Transition {
                    index,
                    count,
                    end,
                    ..Transition::new(noisy(index), to)
                };
                rule.order_of(&transition, index + 1)
            };
            (0..count).map(order).collect()
        };
        assert_eq!(orders(6, true), [1, 2, 3, 3, 2, 1]);
        assert_eq!(orders(6, false), [1, 2, 3, 3, 3, 3]);
        assert_eq!(orders(16, true)[12..], [3, 3, 3, 1]);
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(DpmSolver::order(0).is_err() && DpmSolver::order(4).is_err());
        assert!(DpmSolver::order(2).and_then(|s| s.stochastic(1.5)).is_err());
    }
}
