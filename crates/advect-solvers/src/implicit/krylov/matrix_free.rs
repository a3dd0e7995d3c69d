//! Newton's equations by products with the Jacobian.

use advect_core::{Error, Field, Result};

use super::gmres::Gmres;
use super::{JacobianProduct, Krylov, Preconditioner, Unpreconditioned};
use crate::implicit::{Coordinates, Differences, Jacobian, Linearized, Matrices};

/// The solution of an implicit method's equations by products with the Jacobian, without matrices: Newton's iteration whose
/// linear equations are solved by restarted GMRES (Knoll and Keyes, Jacobian-free Newton–Krylov methods, J. Comput. Phys.
/// 193, 2004).
///
/// It takes the place of a source of Jacobians, for states of many elements, such as equations on a grid: where a matrix has n²
/// numbers and takes n³ operations, this keeps `restart + 1` vectors of n numbers for each stage that is solved for at once, and takes an evaluation or a product in
/// forward mode for each of its iterations. Their number grows with the ratio of the largest and the smallest
/// eigenvalue of `I − h γ J`, unless a [`Preconditioner`] makes it small. For states of up to some hundred elements the
/// matrices are quicker.
///
/// The Jacobian is that at each iterate. The linear equations are solved to `fraction` times the goal of Newton's
/// iteration, as in CVODE, or to a thousandth of their residual, if that is larger. If more than a tenth of the residual is left after
/// `max_iterations`, the step is made shorter, or the integration ends with [`Status::NoConvergence`](crate::Status::NoConvergence).
///
/// Gradients solve the transposed equations by GMRES as well, with backward passes of the field and without the
/// preconditioner. Rosenbrock methods, which need the matrix itself, refuse it.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::implicit::{ImplicitRungeKutta, Kvaerno5, MatrixFree};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The heat equation on a ring of 200 places: sines decay.
/// let n = 200;
/// let field = field_fn(move |_, x: &Tensor| {
///     let neighbours = (x.roll(1, 1)? + x.roll(-1, 1)?)?;
///     Ok(((neighbours - (x * 2.0)?)? * (n * n) as f64)?)
/// });
/// let angle = |i: usize| std::f64::consts::TAU * i as f64 / n as f64;
/// let x = Tensor::from_iter((0..n).map(|i| angle(i).sin()), &Device::Cpu)?.unsqueeze(0)?;
/// let stepper = Kvaerno5.with_jacobian(MatrixFree::by_differences());
/// let solution = Solver::new(stepper, Adaptive::new(1e-6, 1e-6)?).solve(&field, &x, 0.0, 0.1)?;
/// let rate = (n * n) as f64 * (2.0 - 2.0 * angle(1).cos());
/// let difference = (solution.end()? - (x * (-0.1 * rate).exp())?)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(difference < 1e-5);
/// assert!(solution.statistics.products > 0 && solution.statistics.jacobians == 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GMRES")]
#[doc(alias = "Newton-Krylov")]
#[doc(alias = "JFNK")]
#[doc(alias = "SPGMR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixFree<S = Differences, P = Unpreconditioned> {
    source: S,
    preconditioner: P,
    gmres: Gmres,
}

impl MatrixFree {
    /// Creates it with products by [`Differences`].
    pub fn by_differences() -> Self {
        MatrixFree::new(Differences)
    }
}

impl<S> MatrixFree<S> {
    /// Creates it with a source of products: [`Differences`] or [`ByJvp`](crate::implicit::ByJvp). It keeps 30 directions, takes up
    /// to 300 iterations for a set of equations, and leaves a fraction of 0.05.
    pub fn new(source: S) -> Self {
        MatrixFree {
            source,
            preconditioner: Unpreconditioned,
            gmres: Gmres {
                restart: 30,
                iterations: 300,
                fraction: 0.05,
            },
        }
    }

    /// Sets the preconditioner. [`preconditioner_fn`](crate::implicit::preconditioner_fn) makes one of a closure.
    pub fn with_preconditioner<P>(self, preconditioner: P) -> MatrixFree<S, P> {
        MatrixFree {
            source: self.source,
            preconditioner,
            gmres: self.gmres,
        }
    }
}

impl<S, P> MatrixFree<S, P> {
    /// Sets the number of directions that GMRES keeps before it restarts from the solution so far.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn restart(mut self, directions: usize) -> Result<Self> {
        self.gmres.restart = at_least_one("directions", directions)?;
        Ok(self)
    }

    /// Sets the largest number of iterations for one set of equations. Each takes a product for every stage of the set: one, or three for
    /// [`RadauIia5`](crate::implicit::RadauIia5).
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_iterations(mut self, iterations: usize) -> Result<Self> {
        self.gmres.iterations = at_least_one("iterations", iterations)?;
        Ok(self)
    }

    /// Sets the part of Newton's goal to which the linear equations are solved.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0 and at most 1.
    pub fn fraction(mut self, fraction: f64) -> Result<Self> {
        if !(fraction > 0.0 && fraction <= 1.0) {
            return Err(Error::range("fraction", fraction, "above 0 and at most 1"));
        }
        self.gmres.fraction = fraction;
        Ok(self)
    }
}

fn at_least_one(argument: &'static str, count: usize) -> Result<usize> {
    match count {
        0 => Err(Error::range(argument, count, "at least 1")),
        _ => Ok(count),
    }
}

impl<X, S, P> Jacobian<X> for MatrixFree<S, P>
where
    X: Coordinates,
    S: JacobianProduct<X>,
    P: Preconditioner<X>,
{
    fn matrices(&self, _: &dyn Field<X>, _: &Linearized<'_, X>) -> Result<Matrices> {
        let accepted = "a source of matrices, such as Differences, for a method that computes with the matrix itself";
        Err(Error::range("jacobian", "MatrixFree", accepted))
    }

    fn matrix_free(&self) -> Option<Krylov<'_, X>> {
        Some(Krylov::new(&self.source, &self.preconditioner, self.gmres))
    }
}
