//! Where Jacobians come from.

mod by_jvp;
mod differences;

use std::fmt;

use advect_core::{Field, Result, Time};

use super::{Coordinates, Krylov, Matrices};

pub use by_jvp::ByJvp;
pub use differences::Differences;

/// A source of Jacobians `∂f/∂x`, which an implicit method holds.
///
/// Newton's iteration takes them for its matrix, and converges to the same solution if they are not exact, only more
/// slowly. Rosenbrock methods compute with them, and have their order only with exact ones, up to the error of
/// differences.
#[doc(alias = "jac")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of Jacobians",
    note = "a closure becomes one by `jacobian_fn(|t, x| …)`"
)]
pub trait Jacobian<X> {
    /// Returns the matrix of each sample.
    ///
    /// # Errors
    /// The errors of the field.
    fn matrices(&self, field: &dyn Field<X>, at: &Linearized<'_, X>) -> Result<Matrices>;

    /// Returns the way to solve the equations without matrices, if it is to be taken. [`MatrixFree`](super::MatrixFree)
    /// has one, all other sources have none.
    fn matrix_free(&self) -> Option<Krylov<'_, X>> {
        None
    }
}

/// The point at which a Jacobian is wanted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Linearized<'a, X> {
    /// The time.
    pub t: &'a Time,
    /// The state, outside of any graph.
    pub x: &'a X,
    /// The slope there, f(t, x), as far as it was solved for.
    pub slope: &'a X,
    /// A magnitude for each element, all above 0: changes of an element by much less than this are small.
    pub magnitudes: &'a [f64],
}

impl<'a, X> Linearized<'a, X> {
    /// Creates a point.
    pub fn new(t: &'a Time, x: &'a X, slope: &'a X, magnitudes: &'a [f64]) -> Self {
        Linearized {
            t,
            x,
            slope,
            magnitudes,
        }
    }
}

/// A source of Jacobians that calls a closure. [`jacobian_fn`] makes one.
#[derive(Clone, Copy)]
pub struct JacobianFn<F>(F);

impl<F> fmt::Debug for JacobianFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JacobianFn")
    }
}

/// Makes a source of Jacobians of a closure that returns the matrices at a time and a state.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::implicit::{ImplicitRungeKutta, Kvaerno5, Matrices, jacobian_fn};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −1000 x³
/// let field = field_fn(|_, x| Ok((x.powf(3.0)? * -1e3)?));
/// let jacobian = jacobian_fn(|_: &Time, x: &Tensor| Matrices::from_tensor(&(x.sqr()? * -3e3)?.unsqueeze(2)?));
/// let solver = Solver::new(Kvaerno5.with_jacobian(jacobian), Adaptive::new(1e-6, 1e-6)?);
/// let x = Tensor::new(&[[1f64]], &Device::Cpu)?;
/// let end = solver.solve(&field, &x, 0.0, 2.0)?.end()?.to_vec2::<f64>()?;
/// assert!((end[0][0] - 1.0 / 4001f64.sqrt()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "jac")]
pub fn jacobian_fn<X, F: Fn(&Time, &X) -> Result<Matrices>>(jacobian: F) -> JacobianFn<F> {
    JacobianFn(jacobian)
}

impl<X: Coordinates, F: Fn(&Time, &X) -> Result<Matrices>> Jacobian<X> for JacobianFn<F> {
    fn matrices(&self, _: &dyn Field<X>, at: &Linearized<'_, X>) -> Result<Matrices> {
        (self.0)(at.t, at.x)
    }
}
