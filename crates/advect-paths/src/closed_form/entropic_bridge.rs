//! The Schrödinger bridge between two finite sets of points, from the potentials of entropic optimal transport
//! (Léonard 2014, "A survey of the Schrödinger problem"; Pooladian and Niles-Weed 2024, "Plug-in estimation of
//! Schrödinger bridges", for the drift between samples).
//!
//! The plan is `π_ij = exp((f_i + g_j − |x_i − y_j|²)/ε)` with `ε = 2σ²`. The potentials, carried along by a Brownian
//! motion, are `φ_t(x) = Σ_j exp(g_j/ε) N(x; y_j, σ² (1 − t))` and `φ̂_t(x) = Σ_i exp(f_i/ε) N(x; x_i, σ² t)`. The
//! marginals of the bridge are proportional to `φ_t φ̂_t`, and its drifts are `σ² ∇ ln φ_t` forwards and
//! `−σ² ∇ ln φ̂_t` backwards.

use std::sync::Arc;

use advect_core::{Error, Result, check};
use advect_transport::{Cost, Plan, Points, Sinkhorn};
use candle_core::Tensor;

use super::finite_data::rows;
use super::{BridgeField, Components, Covariance, MarginalField};
use crate::schedule::Schedule;
use crate::{Direction, Prediction};

/// The Schrödinger bridge of a Brownian motion of diffusion σ between two finite sets of points: the mixture of
/// Brownian bridges between x_i and y_j with the masses π_ij of an entropic plan.
///
/// Its drift forwards is `b(t, x) = Σ_j w_j (y_j − x)/(1 − t)` with weights
/// `w_j ∝ exp(g_j/ε − |y_j − x|²/(2σ² (1 − t)))`, which needs the target's potential g alone. It is defined
/// everywhere, so that sources that were not in the plan can be carried, too. The drift backwards is its counterpart,
/// from the source's potential. Beside the bridge between the laws of which the points are samples, this one is an
/// estimate.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::Direction;
/// use advect_paths::closed_form::EntropicBridge;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f64]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[-1.0f64], [1.0]], &Device::Cpu)?;
/// // From one point to two: E[x1 | x_t = x] = tanh(x / (1 − t)).
/// let bridge = EntropicBridge::between(&x0, &x1, 1.0)?;
/// let x = Tensor::new(&[[0.3f64]], &Device::Cpu)?;
/// let drift = bridge.drift(Direction::Forwards).at(&Time::Shared(0.5), &x)?;
/// let expected = ((0.3f64 / 0.5).tanh() - 0.3) / 0.5;
/// assert!((drift.to_vec2::<f64>()?[0][0] - expected).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Schrödinger bridge")]
#[doc(alias = "Sinkhorn bridge")]
#[doc(alias = "static to dynamic")]
#[derive(Debug, Clone)]
pub struct EntropicBridge {
    variance: f64,
    /// `∇ ln φ` and `∇ ln φ̂`.
    forwards: Arc<MarginalField<Heat>>,
    backwards: Arc<MarginalField<Heat>>,
}

/// The schedule of a Brownian motion of variance σ² that ends at points: `α = 1`, and the noise of the time that
/// remains.
#[derive(Debug, Clone, Copy)]
struct Heat {
    sigma: f64,
    direction: Direction,
}

impl Schedule for Heat {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn sigma(&self, t: f64) -> f64 {
        self.sigma * self.direction.remaining(t).sqrt()
    }
    fn d_alpha(&self, _: f64) -> f64 {
        0.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.sigma_d_sigma(t) / self.sigma(t)
    }
    fn sigma_d_sigma(&self, _: f64) -> f64 {
        -0.5 * self.direction.sign() * self.sigma * self.sigma
    }
}

/// The part of its mass by which a plan may differ from that of its potentials: rounded plans do.
const NEAR: f64 = 1e-2;

impl EntropicBridge {
    /// Creates the bridge of diffusion `sigma` between points of equal weights. It finds the plan by [`Sinkhorn`]'s
    /// iterations, to an error of 1e-9.
    ///
    /// # Errors
    /// [`Error::Stopped`] where these have not converged after 10,000 iterations: then find a plan with other
    /// settings, for [`EntropicBridge::new`]; typed errors for points that don't fit each other; [`Error::Range`]
    /// unless `sigma` is above 0.
    pub fn between(x0: &Tensor, x1: &Tensor, sigma: f64) -> Result<Self> {
        check::positive("sigma", sigma)?;
        let (from, to) = Points::pair_named(("x0", x0), ("x1", x1))?;
        let plan = Sinkhorn::new(2.0 * sigma * sigma)?.solve(&Cost::between(&from, &to)?)?;
        if !plan.converged() {
            let at = format!("iteration {}", plan.iterations());
            let reason = format!("the plan's marginals are off by {:.1e}", plan.error());
            return Err(Error::stopped(at, reason));
        }
        Self::new(x0, x1, &plan, sigma)
    }

    /// Creates the bridge of diffusion `sigma` between points with any weights, from their plan of entropic optimal
    /// transport of squared distances with the regularisation [`2σ²`](crate::path::SchrodingerBridge::entropy).
    ///
    /// # Errors
    /// [`Error::Range`] for a plan of another regularisation, cost or points, as its mass shows; [`Error::Shape`]
    /// for one of another size; typed errors for points that don't fit each other.
    pub fn new(x0: &Tensor, x1: &Tensor, plan: &Plan, sigma: f64) -> Result<Self> {
        check::positive("sigma", sigma)?;
        let (from, to) = Points::pair_named(("x0", x0), ("x1", x1))?;
        let size = [plan.rows(), plan.columns()];
        if size != [from.count(), to.count()] {
            let accepted = format!("({}, {}), a mass for each pair", from.count(), to.count());
            return Err(Error::shape("plan", &size, accepted));
        }
        let (f, g) = plan.potentials();
        let epsilon = 2.0 * sigma * sigma;
        let mut costs = vec![0.0; to.count()];
        let mut mass = 0.0;
        for (i, f) in f.iter().enumerate() {
            from.squared_distances(&to, i, &mut costs);
            let masses = g
                .iter()
                .zip(&costs)
                .map(|(g, c)| ((f + g - c) / epsilon).exp());
            mass += masses.sum::<f64>();
        }
        if !(1.0 - NEAR..=1.0 + NEAR).contains(&(mass / plan.mass())) {
            let given =
                format!("potentials whose plan carries the mass {mass:e} with 2σ² = {epsilon}");
            let accepted = format!(
                "a plan of squared distances at 2σ², which carries {}",
                plan.mass()
            );
            return Err(Error::range("plan", given, accepted));
        }
        let potential = |argument, points: &Tensor, potential: &[f64], direction| {
            let (means, dim) = rows(argument, points, potential)?;
            let log_weights = potential.iter().map(|p| p / epsilon).collect();
            let covariances = vec![Covariance::isotropic(0.0)?];
            let components = Components::of_log_weights(log_weights, means, covariances, dim)?;
            let heat = Heat { sigma, direction };
            let field = MarginalField::new(&Arc::new(components), heat, Prediction::Score);
            Ok::<_, Error>(Arc::new(field))
        };
        Ok(EntropicBridge {
            variance: sigma * sigma,
            forwards: potential("x1", x1, g, Direction::Forwards)?,
            backwards: potential("x0", x0, f, Direction::Backwards)?,
        })
    }

    /// Returns the drift of `dx = b dt + σ dw` in a direction, `σ² ∇ ln φ` forwards and `−σ² ∇ ln φ̂` backwards.
    ///
    /// # Errors
    /// The field returns [`Error::Range`] at the end to which it goes.
    pub fn drift(&self, direction: Direction) -> BridgeField {
        match direction {
            Direction::Forwards => BridgeField::new(&[(self.variance, &self.forwards)]),
            Direction::Backwards => BridgeField::new(&[(-self.variance, &self.backwards)]),
        }
    }

    /// Returns the velocity of the ordinary equation with the same marginals, `½ σ² ∇ ln(φ/φ̂)`.
    ///
    /// # Errors
    /// The field returns [`Error::Range`] at both ends, where the marginals have no width.
    pub fn velocity(&self) -> BridgeField {
        let half = 0.5 * self.variance;
        BridgeField::new(&[(half, &self.forwards), (-half, &self.backwards)])
    }

    /// Returns the score of the marginals, `∇ ln(φ φ̂)`.
    ///
    /// # Errors
    /// As [`EntropicBridge::velocity`].
    pub fn score(&self) -> BridgeField {
        BridgeField::new(&[(1.0, &self.forwards), (1.0, &self.backwards)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::assert_close;
    use advect_core::{Field, Generator, Jvp, Time};
    use candle_core::{DType, Device};

    const SIGMA: f64 = 0.7;

    fn points() -> (Tensor, Tensor) {
        let mut rng = Generator::from_seed(0);
        let x0 = rng.normal((4, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((3, 2), DType::F64, &Device::Cpu).unwrap();
        (x0, (x1 + 1.0).unwrap())
    }

    fn plan(x0: &Tensor, x1: &Tensor, epsilon: f64) -> Plan {
        let cost = Cost::squared_euclidean(x0, x1).unwrap();
        let solver = Sinkhorn::new(epsilon).unwrap();
        let weights = [0.1, 0.2, 0.3, 0.4];
        solver
            .solve_weighted(&cost, &weights, &[0.5, 0.3, 0.2])
            .unwrap()
    }

    /// The mixture of the Brownian bridges between all pairs, with the masses of the plan: velocity and score at x.
    fn mixture(x0: &Tensor, x1: &Tensor, plan: &Plan, t: f64, x: &[f64]) -> ([f64; 2], [f64; 2]) {
        let (x0, x1) = (x0.to_vec2::<f64>().unwrap(), x1.to_vec2::<f64>().unwrap());
        let variance = SIGMA * SIGMA * t * (1.0 - t);
        let (mut total, mut velocity, mut score) = (0.0, [0.0; 2], [0.0; 2]);
        for (i, a) in x0.iter().enumerate() {
            for (j, b) in x1.iter().enumerate() {
                let off: Vec<f64> = (0..2).map(|k| x[k] - t * b[k] - (1.0 - t) * a[k]).collect();
                let square = off[0] * off[0] + off[1] * off[1];
                let density = plan.row(i)[j] * (-0.5 * square / variance).exp();
                total += density;
                for k in 0..2 {
                    let kink = (1.0 - 2.0 * t) / (2.0 * t * (1.0 - t));
                    velocity[k] += density * (b[k] - a[k] + kink * off[k]);
                    score[k] -= density * off[k] / variance;
                }
            }
        }
        (velocity.map(|u| u / total), score.map(|s| s / total))
    }

    #[test]
    fn fields_are_those_of_the_mixture_of_bridges() {
        let (x0, x1) = points();
        let plan = plan(&x0, &x1, 2.0 * SIGMA * SIGMA);
        let bridge = EntropicBridge::new(&x0, &x1, &plan, SIGMA).unwrap();
        let x = Tensor::new(&[[0.3, -0.4], [1.5, 2.0]], &Device::Cpu).unwrap();
        for t in [0.02, 0.4, 0.9] {
            let fields = [
                bridge.velocity(),
                bridge.score(),
                bridge.drift(Direction::Forwards),
                bridge.drift(Direction::Backwards),
            ];
            let found = fields.map(|f| f.at(&Time::Shared(t), &x).unwrap());
            for (row, x) in x.to_vec2::<f64>().unwrap().iter().enumerate() {
                let (u, s) = mixture(&x0, &x1, &plan, t, x);
                let half = 0.5 * SIGMA * SIGMA;
                for k in 0..2 {
                    let expected = [u[k], s[k], u[k] + half * s[k], u[k] - half * s[k]];
                    for (found, expected) in found.iter().zip(expected) {
                        let found = found.to_vec2::<f64>().unwrap()[row][k];
                        assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()));
                    }
                }
            }
        }
        let drift = bridge.drift(Direction::Forwards);
        let dx = Tensor::new(&[[1.0, 2.0], [-0.5, 0.1]], &Device::Cpu).unwrap();
        let at = |h: f64| {
            let x = (&x + (&dx * h).unwrap()).unwrap();
            drift.at(&Time::Shared(0.3), &x).unwrap()
        };
        let numeric = ((at(1e-5) - at(-1e-5)).unwrap() / 2e-5).unwrap();
        let (_, along) = drift.jvp(&Time::Shared(0.3), &x, 0.0, &dx).unwrap();
        assert_close(&along, &numeric, 1e-6, 1e-6);
        // Finite where it starts, and not where it ends.
        assert!(drift.at(&Time::Shared(0.0), &x0).is_ok());
        assert!(drift.at(&Time::Shared(1.0), &x0).is_err());
        assert!(bridge.score().at(&Time::Shared(0.0), &x0).is_err());
    }

    #[test]
    fn potentials_may_be_large() {
        // Weights exp(g/ε) far beyond the range of f64.
        let x0 = Tensor::new(&[[0f64], [10.0]], &Device::Cpu).unwrap();
        let x1 = Tensor::new(&[[1f64], [30.0]], &Device::Cpu).unwrap();
        let bridge = EntropicBridge::between(&x0, &x1, 0.3).unwrap();
        let drift = bridge
            .drift(Direction::Forwards)
            .at(&Time::Shared(0.0), &x0);
        let expected = Tensor::new(&[[1f64], [20.0]], &Device::Cpu).unwrap();
        assert_close(&drift.unwrap(), &expected, 1e-9, 0.0);
    }

    #[test]
    fn plans_that_do_not_fit_are_refused() {
        let (x0, x1) = points();
        let other = plan(&x0, &x1, 1.0);
        let error = EntropicBridge::new(&x0, &x1, &other, 0.3).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "plan"));
        let error = EntropicBridge::new(&x1, &x1, &other, SIGMA).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "plan"));
        assert!(EntropicBridge::new(&x0, &x1, &other, -1.0).is_err());
        let rounded = plan(&x0, &x1, 2.0 * SIGMA * SIGMA).rounded();
        assert!(EntropicBridge::new(&x0, &x1, &rounded, SIGMA).is_ok());
    }
}
