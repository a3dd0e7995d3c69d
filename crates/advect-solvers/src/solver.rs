//! Solvers, which combine a stepper and a controller.

use advect_core::{Field, Result};

use crate::controller::Controller;
use crate::stepper::Stepper;
use crate::{Integration, Solution, State};

/// A solver of differential equations: a [stepper](crate::stepper) that makes steps, and a
/// [controller](crate::controller) that chooses their sizes.
///
/// [`Solver::solve`] integrates to a final state. [`Solver::integration`] does too, and saves states on the way, stops at
/// events, shows each step to observers, or gives each sample its own clock.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Save, Solver, controller::Fixed, stepper::Heun};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[[1.0f32], [2.0]], &Device::Cpu)?;
/// let solver = Solver::new(Heun, Fixed::steps(20)?);
/// let solution = solver.integration(&decay, &x, 0.0, 1.0).save(Save::Every(10)).run()?;
/// assert_eq!(solution.times, [0.0, 0.5, 1.0]);
/// // Backwards in time, from where it ended, it comes home.
/// let back = solver.solve(&decay, &solution.end()?, 1.0, 0.0)?.end()?.to_vec2::<f32>()?;
/// assert!((back[1][0] - 2.0).abs() < 1e-3);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "torchdiffeq")]
#[doc(alias = "neural ODE")]
#[derive(Debug, Clone)]
#[doc(alias = "odeint")]
#[doc(alias = "ODE")]
pub struct Solver<S, C> {
    pub(crate) stepper: S,
    pub(crate) controller: C,
}

impl<S, C> Solver<S, C> {
    /// Creates a solver that makes steps by a stepper, with sizes chosen by a controller.
    pub fn new(stepper: S, controller: C) -> Self {
        Solver {
            stepper,
            controller,
        }
    }

    /// Integrates `dx/dt = field(t, x)` from `x0` of shape `(batch, ...)` at `start` to `end`, forwards
    /// or backwards in time.
    ///
    /// The state may be any [`State`], such as a pair of tensors. Each step rounds it to its dtype: in f16 and bf16
    /// many small steps lose more by rounding than they gain, so keep the state in f32 and cast inside the field.
    ///
    /// An integration that cannot reach the end is no error here: the [`Solution`] holds what was
    /// reached and says why it stopped; [`Solution::end`] turns that into an error.
    ///
    /// # Errors
    /// Typed errors for times that are not finite or too far apart, steps that the time does not resolve, tolerances below
    /// the rounding of the initial state, an initial state that is empty, no float or not finite, and a field whose value
    /// is not shaped like its state; the errors of the field itself.
    #[doc(alias = "torchdiffeq")]
    #[doc(alias = "odeint")]
    #[doc(alias = "solve_ivp")]
    #[doc(alias = "diffeqsolve")]
    pub fn solve<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        self.integration(field, x0, start, end).run()
    }

    /// Prepares an integration of `dx/dt = field(t, x)` from `x0` at `start` to `end`, with settings for saved
    /// states, events and observers. [`Integration::run`] runs it.
    #[doc(alias = "odeint_event")]
    #[doc(alias = "solve_ivp")]
    #[doc(alias = "diffeqsolve")]
    pub fn integration<'a, X>(
        &'a self,
        field: &'a dyn Field<X>,
        x0: &'a X,
        start: f64,
        end: f64,
    ) -> Integration<'a, S, C, X> {
        Integration::new(self, field, x0, start, end)
    }
}
