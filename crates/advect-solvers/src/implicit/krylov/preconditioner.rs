//! Approximate inverses, which make the equations of a Krylov method easier.

use std::fmt;

use advect_core::Result;

use crate::implicit::Linearized;

/// An approximate inverse of the matrix `I − s J` of a stage, with `s = h a_ii`, which makes GMRES take fewer products.
///
/// The solution does not depend on it. It must be linear in r.
#[doc(alias = "psolve")]
pub trait Preconditioner<X> {
    /// Returns about `(I − s J)⁻¹ r`, with an s for each sample.
    ///
    /// # Errors
    /// Its own errors.
    fn apply(&self, at: &Linearized<'_, X>, s: &[f64], r: &X) -> Result<X>;
}

/// No preconditioner: the equations as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpreconditioned;

impl<X: Clone> Preconditioner<X> for Unpreconditioned {
    fn apply(&self, _: &Linearized<'_, X>, _: &[f64], r: &X) -> Result<X> {
        Ok(r.clone())
    }
}

/// A preconditioner that calls a closure. [`preconditioner_fn`] makes one.
#[derive(Clone, Copy)]
pub struct PreconditionerFn<F>(F);

impl<F> fmt::Debug for PreconditionerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreconditionerFn")
    }
}

/// Makes a preconditioner of a closure, which gets the place, the sizes s and the vector r.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::implicit::{ImplicitRungeKutta, Kvaerno5, Linearized, MatrixFree, preconditioner_fn};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Rates from 1 to 10⁶, whose matrix is diagonal: its inverse is known.
/// let rates = Tensor::new(&[[1f64, 1e2, 1e4, 1e6]], &Device::Cpu)?;
/// let field = field_fn(|_, x| Ok((x * &rates)?.neg()?));
/// let inverse = preconditioner_fn(|_: &Linearized<'_, Tensor>, s: &[f64], r: &Tensor| Ok((r / ((&rates * s[0])? + 1.0)?)?));
/// let free = MatrixFree::by_differences().with_preconditioner(inverse);
/// let solver = Solver::new(Kvaerno5.with_jacobian(free), Adaptive::new(1e-6, 1e-9)?);
/// let solution = solver.solve(&field, &rates.ones_like()?, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec2::<f64>()?[0][0] - (-1f64).exp()).abs() < 1e-6);
/// // Two products for a set of equations: one to solve it, and at most one for what rounding left.
/// let stages = 6 * (solution.statistics.accepted + solution.statistics.rejected);
/// assert!(solution.statistics.products <= 2 * stages);
/// # Ok(())
/// # }
/// ```
pub fn preconditioner_fn<X, F>(preconditioner: F) -> PreconditionerFn<F>
where
    F: Fn(&Linearized<'_, X>, &[f64], &X) -> Result<X>,
{
    PreconditionerFn(preconditioner)
}

impl<X, F> Preconditioner<X> for PreconditionerFn<F>
where
    F: Fn(&Linearized<'_, X>, &[f64], &X) -> Result<X>,
{
    fn apply(&self, at: &Linearized<'_, X>, s: &[f64], r: &X) -> Result<X> {
        (self.0)(at, s, r)
    }
}
