//! Newton's equations without matrices.

mod gmres;
mod jacobian_product;
mod krylov_space;
mod linear_equations;
mod matrix_free;
mod preconditioner;
mod transposed;

use std::cell::Cell;
use std::fmt;

use advect_core::Time;

use super::equations::Equations;

pub use jacobian_product::JacobianProduct;
pub use matrix_free::MatrixFree;
pub use preconditioner::{Preconditioner, PreconditionerFn, Unpreconditioned, preconditioner_fn};

pub(super) use gmres::Gmres;
pub(super) use linear_equations::{Accuracy, Change};
pub(super) use transposed::solve_transposed;

/// A Krylov method with the products that it needs, as [`Jacobian::matrix_free`](super::Jacobian::matrix_free) gives it to a
/// stepper. [`MatrixFree`] makes one.
pub struct Krylov<'a, X> {
    source: &'a dyn JacobianProduct<X>,
    preconditioner: &'a dyn Preconditioner<X>,
    pub(super) gmres: Gmres,
    /// The number of products that were taken.
    taken: Cell<usize>,
}

impl<X> fmt::Debug for Krylov<'_, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Krylov")
            .field("gmres", &self.gmres)
            .finish_non_exhaustive()
    }
}

impl<'a, X> Krylov<'a, X> {
    fn new(
        source: &'a dyn JacobianProduct<X>,
        preconditioner: &'a dyn Preconditioner<X>,
        gmres: Gmres,
    ) -> Self {
        Krylov {
            source,
            preconditioner,
            gmres,
            taken: Cell::new(0),
        }
    }

    /// The number of products since the last call.
    pub(super) fn take_count(&self) -> usize {
        self.taken.take()
    }
}

/// The stages at which linear equations are made.
pub(super) struct Places<'a, X> {
    pub(super) equations: &'a Equations<'a, X>,
    /// The stages' part of the tableau, row by row.
    pub(super) block: &'a [f64],
    pub(super) times: &'a [Time],
    pub(super) states: &'a [X],
    /// The field's values there.
    pub(super) values: &'a [X],
}
