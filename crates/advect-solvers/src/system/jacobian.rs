//! A system as the source of its own Jacobians.

use advect_core::{Error, Field, Result};
use candle_core::{DType, Tensor};

use super::BoundSystem;
use crate::implicit::{Coordinates, Jacobian, Linearized, Matrices};

/// Exact Jacobians for implicit methods, by the derivatives of the recorded formulas ([`BoundSystem::jacobian`]): one pass for all
/// samples. They don't count among the evaluations of an integration.
///
/// ```
/// use advect_solvers::implicit::{ImplicitRungeKutta, Kvaerno5};
/// use advect_solvers::{Solver, controller::Adaptive, system::system};
/// # fn main() -> advect_core::Result<()> {
/// let van_der_pol = system(|_, [x, v], [mu]| [v, mu * (1.0 - x * x) * v - x])?.with([1e3])?;
/// let stepper = Kvaerno5.with_jacobian(van_der_pol.clone());
/// let solver = Solver::new(stepper, Adaptive::new(1e-6, 1e-6)?);
/// let [x, _]: [f64; 2] = solver.solve(&van_der_pol, &[2.0, 0.0], 0.0, 2000.0)?.end()?;
/// assert!((x - 1.706168).abs() < 1e-4);
/// # Ok(())
/// # }
/// ```
impl<const N: usize, const P: usize> Jacobian<Tensor> for BoundSystem<N, P> {
    fn matrices(&self, _: &dyn Field, at: &Linearized<'_, Tensor>) -> Result<Matrices> {
        let (samples, width) = at.x.extent()?;
        if at.x.rank() < 2 {
            return Err(Error::shape("x", at.x.dims(), format!("(batch, …, {N})")));
        }
        let blocks = self.jacobian(at.t, at.x)?.detach();
        if width == N {
            return Matrices::from_tensor(&blocks.reshape((samples, N, N))?);
        }
        let blocks = blocks
            .flatten_all()?
            .to_dtype(DType::F64)?
            .to_vec1::<f64>()?;
        Matrices::new(samples, width, block_diagonal(&blocks, width, N))
    }
}

/// Matrices of `width` rows whose diagonals are made of blocks of `n` rows, and which are 0 elsewhere.
fn block_diagonal(blocks: &[f64], width: usize, n: usize) -> Vec<f64> {
    let mut all = vec![0.0; blocks.len() / n * width];
    for (row, values) in blocks.chunks_exact(n).enumerate() {
        let first = row * width + row % width / n * n;
        all[first..first + n].copy_from_slice(values);
    }
    all
}

/// Implements the trait for states of numbers.
macro_rules! numbers {
    ($($float:ident),*) => {$(
        impl<const N: usize, const P: usize> Jacobian<[$float; N]> for BoundSystem<N, P> {
            fn matrices(&self, _: &dyn Field<[$float; N]>, at: &Linearized<'_, [$float; N]>) -> Result<Matrices> {
                Ok(Matrices::one(self.jacobian_of_numbers(at.t, &at.x.map(f64::from))?))
            }
        }
    )*};
}
numbers!(f32, f64);
