//! A sampler of processes with a drift and a constant diffusion, in either direction.

use advect_core::{Field, Key, Result, check, field_fn};
use advect_paths::Direction;
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{Additive, BrownianPath, EulerMaruyama};
use advect_solvers::{Save, Solution, Solver};
use candle_core::Tensor;

/// A sampler of `dx = b(t, x) dt + σ dw` from t = 0 to 1 or from 1 to 0, by equal steps of the Euler–Maruyama method.
///
/// The drift b is a rate of change with t in both directions, as [`Direction`] explains. It is evaluated where
/// steps start, and so never at the end, where drifts of bridges may be infinite.
///
/// ```
/// use advect_core::Key;
/// use advect_paths::Direction;
/// use advect_paths::closed_form::EntropicBridge;
/// use advect_samplers::BridgeSampler;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // From one point to one of two, with equal chances.
/// let x1 = Tensor::new(&[[-3f64], [3.0]], &Device::Cpu)?;
/// let bridge = EntropicBridge::between(&x1.zeros_like()?.narrow(0, 0, 1)?, &x1, 1.0)?;
/// let x0 = Tensor::zeros((500, 1), DType::F64, &Device::Cpu)?;
/// let sampler = BridgeSampler::new(1.0, 100)?;
/// let drift = bridge.drift(Direction::Forwards);
/// let end = sampler.sample(&drift, Direction::Forwards, &x0, Key::from_seed(0))?;
/// let right = end.gt(0.0)?.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>()?;
/// assert!((right - 0.5).abs() < 0.1);
/// // At the points, but for the noise of the last step.
/// let off = (end.abs()? - 3.0)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((off - 0.01).abs() < 0.005);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Euler–Maruyama")]
#[doc(alias = "DSBM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BridgeSampler {
    sigma: f64,
    steps: usize,
}

impl BridgeSampler {
    /// Creates a sampler of diffusion `sigma` above 0 with a number of equal steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for another `sigma`, or no steps.
    pub fn new(sigma: f64, steps: usize) -> Result<Self> {
        let sigma = check::positive("sigma", sigma)?;
        let steps = check::at_least_one("steps", steps)?;
        Ok(BridgeSampler { sigma, steps })
    }

    /// Returns the diffusion σ.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Carries samples `(batch, ...)` of the law at the start to the end.
    ///
    /// # Errors
    /// Typed errors for samples that are empty, no floats or not finite; the errors of the drift;
    /// [`Error::Stopped`](advect_core::Error::Stopped) where a state becomes NaN or infinite.
    pub fn sample(
        &self,
        drift: &dyn Field,
        direction: Direction,
        start: &Tensor,
        key: Key,
    ) -> Result<Tensor> {
        self.run(drift, direction, start, Save::End, key)?.end()
    }

    /// Carries samples along the process, and saves states on the way. The noise is a function of the key: the
    /// same key gives the same paths.
    ///
    /// # Errors
    /// As [`BridgeSampler::sample`], except that the solution's status reports a stop.
    pub fn run(
        &self,
        drift: &dyn Field,
        direction: Direction,
        start: &Tensor,
        save: Save,
        key: Key,
    ) -> Result<Solution> {
        check::batch("start", start)?;
        check::float("start", start)?;
        check::finite("start", start)?;
        let start = start.detach();
        let (from, to) = (direction.start(), direction.end());
        let motion = BrownianPath::new(key, &start, from, to)?.cells(self.steps)?;
        let sigma = self.sigma;
        let method = EulerMaruyama::new(Additive(move |_| sigma), motion);
        let solver = Solver::new(method, Fixed::steps(self.steps)?);
        // Parameters of a network would chain all steps into one graph.
        let drift = field_fn(|t, x: &Tensor| Ok(drift.at(t, x)?.detach()));
        let integration = solver.integration(&drift, &start, from, to);
        integration.save(save).run()
    }
}
