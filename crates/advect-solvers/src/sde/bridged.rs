//! States between the steps of a stochastic solution, by Brownian bridges.

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::{BrownianPath, Noise, sum};
use crate::Solution;

/// An interpolation of stochastic solutions: states at times between the steps.
///
/// Between saved states `x₀` at `t₀` and `x₁` at `t₁`, with `θ = (t − t₀)/(t₁ − t₀)`, the state at t is
/// `(1 − θ) x₀ + θ x₁ + g(t₀, x₀) (W(t) − (1 − θ) W(t₀) − θ W(t₁))`: the straight line, and the noise times the path's
/// own bridge over the step. So it has the variance that a straight line lacks, and it is a state of the same path:
/// the drift is not evaluated, and states at any number of times fit each other. The solution should have all its
/// steps, by [`Save::Every(1)`](crate::Save::Every). Where an event changed the state at `t₀`
/// ([`Integration::apply`](crate::Integration::apply)), `x₀` is the state after the change.
///
/// In steps of size h the bridge's error is of order h, and of order h^1.5 for noise that does not depend on the
/// state. A state that should be as precise as the method is an end of a step, by [`Save::At`](crate::Save::At).
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::sde::{Additive, Bridged, BrownianPath, EulerMaruyama};
/// use advect_solvers::{Save, Solver, controller::Fixed};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx = 2 dt + 3 dW, in two steps: x(t) = 2t + 3 W(t) between them, too.
/// let drift = field_fn(|_, x| Ok((x.ones_like()? * 2.0)?));
/// let noise = Additive(|_| 3.0);
/// let x0 = Tensor::zeros(4, DType::F64, &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 1.0)?;
/// let solver = Solver::new(EulerMaruyama::new(noise, path.clone()), Fixed::steps(2)?);
/// let solution = solver.integration(&drift, &x0, 0.0, 1.0).save(Save::Every(1)).run()?;
/// let state = Bridged::new(noise, path.clone()).at(&solution, 0.3)?;
/// let exact = path.increment(0.0, 0.3)?.affine(3.0, 0.6)?;
/// assert!((state - exact)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "dense output")]
#[doc(alias = "interpolation")]
#[doc(alias = "Brownian bridge")]
pub struct Bridged<N> {
    noise: N,
    path: BrownianPath,
}

impl<N: Noise> Bridged<N> {
    /// Creates the interpolation for solutions with this noise, driven by this path.
    pub fn new(noise: N, path: BrownianPath) -> Self {
        Bridged { noise, path }
    }

    /// Returns the state at time t: a saved one, or one between two of them by the path's own bridge.
    ///
    /// # Errors
    /// [`Error::Range`] for times before the first saved state or after the last, and where an event changed the state
    /// between the two saved ones; the errors of the noise and of the path, where these don't fit.
    pub fn at(&self, solution: &Solution, t: f64) -> Result<Tensor> {
        let times = &solution.times;
        let forwards = times.first() <= times.last();
        let next = times.partition_point(|time| match forwards {
            true => *time < t,
            false => *time > t,
        });
        let saved = |i: usize| Some((*times.get(i)?, solution.states.get(i)?));
        match (next.checked_sub(1).and_then(saved), saved(next)) {
            (_, Some((time, state))) if time == t => Ok(state.clone()),
            (Some((from, before)), Some((to, after))) => {
                // An event's state is saved as it was before the change.
                let earlier = |a: f64, b: f64| if forwards { a < b } else { a > b };
                let changes = &solution.changes;
                let first = changes.partition_point(|(time, _)| earlier(*time, from));
                match changes.get(first).filter(|(time, _)| earlier(*time, to)) {
                    None => self.between((from, before), (to, after), t),
                    Some((time, state)) if *time == from => {
                        self.between((from, state), (to, after), t)
                    }
                    Some((time, _)) => {
                        let given = format!("{t}, with a change of the state at {time}");
                        let accepted =
                            "a solution with the state at each change, by Save::Every(1)";
                        Err(Error::range("t", given, accepted))
                    }
                }
            }
            _ => {
                let accepted = match (times.first(), times.last()) {
                    (Some(first), Some(last)) => format!("a time from {first} to {last}"),
                    _ => "a solution with saved states, by Save::Every(1)".into(),
                };
                Err(Error::range("t", t, accepted))
            }
        }
    }

    fn between(
        &self,
        (t0, x0): (f64, &Tensor),
        (t1, x1): (f64, &Tensor),
        t: f64,
    ) -> Result<Tensor> {
        let theta = (t - t0) / (t1 - t0);
        let (part, whole) = (self.path.increment(t0, t)?, self.path.increment(t0, t1)?);
        let bridge = sum(&[(1.0, &part), (-theta, &whole)])?;
        let noise = self.noise.apply(t0, x0, &bridge)?;
        sum(&[(1.0 - theta, x0), (theta, x1), (1.0, &noise)])
    }
}
