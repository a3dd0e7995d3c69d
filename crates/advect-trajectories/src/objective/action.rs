//! The action of a process (Koshizuka and Sato 2023, eq. 5 and 10).

use advect_core::{Error, Field, FromFn, Result, Time, check, forward_to};
use candle_core::Tensor;

/// A Lagrangian `L(t, x, v)`: the cost of moving at velocity v through x at time t, such as `½ |v|² − U(x)` with a potential U, which keeps
/// a population out of places where U is low.
pub trait Lagrangian {
    /// Returns the cost of each sample, `(batch,)`, for states and velocities `(batch, ...)`.
    ///
    /// # Errors
    /// Whatever the Lagrangian reports.
    fn at(&self, t: &Time, x: &Tensor, v: &Tensor) -> Result<Tensor>;
}

forward_to!([] Lagrangian {
    fn at(&self, t: &Time, x: &Tensor, v: &Tensor) -> Result<Tensor>;
});

impl<F: Fn(&Time, &Tensor, &Tensor) -> Result<Tensor>> Lagrangian for FromFn<F> {
    fn at(&self, t: &Time, x: &Tensor, v: &Tensor) -> Result<Tensor> {
        (self.0)(t, x, v)
    }
}

/// Creates a [`Lagrangian`] from a closure `(t, x, v)`.
pub fn lagrangian_fn<F: Fn(&Time, &Tensor, &Tensor) -> Result<Tensor>>(f: F) -> FromFn<F> {
    FromFn(f)
}

/// The mean action of simulated samples under a drift, `∫ E L(t, x_t, b(t, x_t)) dt` by the trapezoidal rule over saved states.
///
/// Of the processes that fit the snapshots the one of least action is wanted: straight paths for `½ |v|²`, paths around an obstacle
/// for a potential that is low there.
///
/// ```
/// use advect_core::{field_fn, shape};
/// use advect_trajectories::objective::{Action, lagrangian_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let action = Action::new(lagrangian_fn(|_, _, v| Ok((shape::sum_squares_per_sample(v)? * 0.5)?)));
/// let drift = field_fn(|_, x| Ok((x.ones_like()? * 3.0)?));
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let value = action.value(&drift, &[0.0, 1.0, 2.0], &[at(0.0)?, at(3.0)?, at(6.0)?])?;
/// assert_eq!(value.to_scalar::<f64>()?, 9.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Action<L> {
    lagrangian: L,
}

impl<L: Lagrangian> Action<L> {
    /// Creates the action of a Lagrangian.
    pub fn new(lagrangian: L) -> Self {
        Action { lagrangian }
    }

    /// Returns the mean action of states at rising times, a scalar that is differentiable by them and by the drift's parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states for each time; [`Error::Range`] for fewer than two times, and for times that don't rise;
    /// the errors of drift and Lagrangian.
    pub fn value(&self, drift: &dyn Field, times: &[f64], states: &[Tensor]) -> Result<Tensor> {
        if states.len() != times.len() {
            let accepted = format!("({},), states for each time", times.len());
            return Err(Error::shape("states", &[states.len()], accepted));
        }
        if times.len() < 2 {
            let given = format!("{} times", times.len());
            return Err(Error::range("times", given, "two times or more"));
        }
        let rates = times.iter().zip(states);
        let rates: Vec<Tensor> = rates
            .map(|(&t, x)| self.rate(drift, t, x))
            .collect::<Result<_>>()?;
        let parts = rates.windows(2).zip(times.windows(2));
        let parts = parts.map(|(rate, time)| {
            let length = check::positive("the distance of times", time[1] - time[0])?;
            Ok(((&rate[0] + &rate[1])? * (0.5 * length))?)
        });
        let parts: Vec<Tensor> = parts.collect::<Result<_>>()?;
        Ok(Tensor::stack(&parts, 0)?.sum_all()?)
    }

    /// The mean cost at one time.
    fn rate(&self, drift: &dyn Field, time: f64, x: &Tensor) -> Result<Tensor> {
        let batch = check::batch("states", x)?;
        let t = Time::Shared(time);
        let cost = self.lagrangian.at(&t, x, &drift.at(&t, x)?)?;
        if cost.dims() != [batch] {
            let accepted = format!("({batch},), one number for each sample");
            return Err(Error::shape("lagrangian", cost.dims(), accepted));
        }
        Ok(cost.mean_all()?)
    }
}
