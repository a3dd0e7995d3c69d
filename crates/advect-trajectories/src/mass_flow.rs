//! The flow of samples whose masses change.

use advect_core::{Error, Field, Result, Time, check};
use candle_core::Tensor;

/// The field of samples and of the logarithms of their masses: `dx/dt = v(t, x)`, `d(ln m)/dt = g(t, x)`.
///
/// Its states are `(batch, d + 1)`, with `ln m` in the last column. Solved from samples of one snapshot, whose masses are 1 or `ln m = 0`,
/// they become a weighted sample of the population at another time.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4};
/// use advect_trajectories::MassFlow;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // To the right at the speed of 1, where masses double in a unit of time.
/// let velocity = field_fn(|_, x| Ok(x.ones_like()?));
/// let flow = MassFlow::new(velocity, |_: &_, x: &Tensor| Ok((x.ones_like()?.squeeze(1)? * 2f64.ln())?));
/// let start = Tensor::new(&[[0f64, 0.0], [5.0, 0.0]], &Device::Cpu)?;
/// let end = Solver::new(Rk4, Fixed::steps(4)?).solve(&flow, &start, 0.0, 3.0)?.end()?;
/// let end = end.to_vec2::<f64>()?;
/// assert!((end[1][0] - 8.0).abs() < 1e-12 && (end[1][1].exp() - 8.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "growth")]
#[derive(Debug, Clone, Copy)]
pub struct MassFlow<V, G> {
    velocity: V,
    growth: G,
}

impl<V, G> MassFlow<V, G>
where
    V: Field,
    G: Fn(&Time, &Tensor) -> Result<Tensor>,
{
    /// Creates the field of a velocity on `(batch, d)` and a rate of growth, a function of time and samples to `(batch,)`.
    pub fn new(velocity: V, growth: G) -> Self {
        MassFlow { velocity, growth }
    }
}

impl<V, G> Field for MassFlow<V, G>
where
    V: Field,
    G: Fn(&Time, &Tensor) -> Result<Tensor>,
{
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        let batch = check::batch("state", state)?;
        if state.rank() != 2 || state.dims()[1] < 2 {
            let accepted = "(batch, d + 1), samples and the logarithm of their mass";
            return Err(Error::shape("state", state.dims(), accepted));
        }
        let x = state.narrow(1, 0, state.dims()[1] - 1)?.contiguous()?;
        let velocity = self.velocity.at(t, &x)?;
        check::alike("velocity", &velocity, "x", &x)?;
        let growth = (self.growth)(t, &x)?;
        if growth.dims() != [batch] {
            let accepted = format!("({batch},), one rate for each sample");
            return Err(Error::shape("growth", growth.dims(), accepted));
        }
        Ok(Tensor::cat(&[velocity, growth.unsqueeze(1)?], 1)?)
    }
}
