//! Systems of equations, written on numbers as by hand.
//!
//! [`system`] makes a field of a closure on numbers. The closure is called once; its operations are recorded on a tape, which is
//! then evaluated for a whole batch, block by block, without a tensor for each operation:
//!
//! ```
//! use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5, system::system};
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // Lotka and Volterra: prey a, predators b.
//! let lotka_volterra = system(|_, [a, b], [birth, death]| [birth * a - a * b, -death * b + a * b])?;
//! let field = lotka_volterra.with([1.5, 3.0])?;
//!
//! // One trajectory of numbers.
//! let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8)?);
//! let [a, b] = solver.solve(&field, &[1.0, 2.0], 0.0, 10.0)?.end()?;
//! // What the equations conserve.
//! let conserved = |a: f64, b: f64| a - 3.0 * a.ln() + b - 1.5 * b.ln();
//! assert!((conserved(a, b) - conserved(1.0, 2.0)).abs() < 1e-6);
//!
//! // A batch of them.
//! let x = Tensor::new(&[[1f64, 2.0], [2.0, 1.0]], &Device::Cpu)?;
//! let end = solver.solve(&field, &x, 0.0, 10.0)?.end()?.to_vec2::<f64>()?;
//! assert!((end[0][0] - a).abs() < 1e-6 && (end[0][1] - b).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```
//!
//! The tape is simplified while it is recorded: constants are computed, expressions that occur twice are shared, products with 1 and
//! sums with 0 are dropped, and so are operations that no result needs. Derivatives are tapes as well: along a direction
//! ([`Jvp`](advect_core::Jvp)), against one (candle's `backward`, for states, times and parameters), and the Jacobian
//! ([`BoundSystem::jacobian`]), whose zeros cost nothing: a system is a [`Jacobian`](crate::implicit::Jacobian) for implicit methods.
//! All adjoints train the parameters.
//!
//! # Limits
//! The closure sees no values. An `if` on a number does not compile; [`Condition::select`] chooses between two numbers.
//!
//! ```compile_fail
//! # use advect_solvers::system::system;
//! let field = system(|_, [x], []| [if x < 0.0 { -x } else { x }]);
//! ```
//!
//! A loop runs when the closure is called, a fixed number of times. A value that the closure captures is a constant from then on: pass
//! values that change as parameters.

mod bound_system;
mod composed;
mod condition;
mod derivative;
mod evaluate;
mod formula;
mod jacobian;
mod kernel;
mod number;
mod parameters;
mod recording;
mod rows;
mod tape;

use std::sync::Arc;

use advect_core::{Error, Result};

pub use bound_system::BoundSystem;
pub use condition::Condition;
use formula::Formula;
pub use number::Number;
pub use parameters::Parameters;

/// A system of N equations with P parameters, recorded by [`system`]. Clones share the tape.
///
/// ```
/// use advect_solvers::system::{System, system};
/// # fn main() -> advect_core::Result<()> {
/// let lorenz: System<3, 3> = system(|_, [x, y, z], [s, r, b]| [s * (y - x), x * (r - z) - y, x * y - b * z])?;
/// assert_eq!(lorenz.operations(), 8);
/// let field = lorenz.with([10.0, 28.0, 8.0 / 3.0])?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct System<const N: usize, const P: usize> {
    formula: Arc<Formula>,
}

/// Records the system `dx/dt = f(t, x, p)` of N equations with P parameters, written on numbers. The closure is called
/// once.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_solvers::system::system;
/// # fn main() -> advect_core::Result<()> {
/// let field = system(|t, [a, b], p| [p[0] * a - a * b, t - p[1] * b + a * b])?.with([1.5, 3.0])?;
/// assert_eq!(field.at(&Time::Shared(0.5), &[2.0, 1.0])?, [1.0, -0.5]);
/// # Ok(())
/// # }
/// ```
///
/// See the [module](self) for more.
///
/// # Errors
/// [`Error::Range`] where the closure uses a [`Number`] of another recording, kept from one or of a closure around it, or NaN as
/// a constant; [`Error::Empty`] for no equation.
#[doc(alias = "ODEFunction")]
#[doc(alias = "ODETerm")]
#[doc(alias = "ode_def")]
pub fn system<const N: usize, const P: usize>(
    f: impl FnOnce(Number, [Number; N], [Number; P]) -> [Number; N],
) -> Result<System<N, P>> {
    if N == 0 {
        return Err(Error::Empty {
            argument: "system".into(),
        });
    }
    let formula = Formula::record(vec![1, N, P], |numbers| {
        let (time, rest) = numbers.split_at(1);
        let (state, parameters) = rest.split_at(N);
        let state = std::array::from_fn(|i| state[i]);
        f(time[0], state, std::array::from_fn(|i| parameters[i])).to_vec()
    })?;
    Ok(System {
        formula: Arc::new(formula),
    })
}

impl<const N: usize, const P: usize> System<N, P> {
    /// Returns the system with its [`Parameters`], which is a field: with plain numbers, or a tensor of shape `(P,)` or `(batch, P)`,
    /// which may be a variable.
    ///
    /// # Errors
    /// [`Error`] naming `parameters` for a tensor whose last dimension is not P, one of integers, and for NaN and infinities.
    pub fn with(&self, parameters: impl Into<Parameters<P>>) -> Result<BoundSystem<N, P>> {
        let parameters = parameters.into();
        parameters.check()?;
        Ok(BoundSystem {
            formula: self.formula.clone(),
            parameters,
        })
    }

    /// Returns the number of operations that an evaluation takes, after simplification.
    pub fn operations(&self) -> usize {
        self.formula.program().operations()
    }
}
