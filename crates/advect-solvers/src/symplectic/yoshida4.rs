//! Yoshida's method of order 4 (Construction of higher order symplectic integrators, 1990, eq. 2.11; also Suzuki, and Creutz
//! and Gocksch, 1989–90).

use super::composition::composition;

/// Yoshida's method of order 4, also Forest and Ruth's: three leapfrog steps of the sizes `w h`, `(1 − 2w) h` and `w h`,
/// with `w = 1 / (2 − 2^(1/3))`.
///
/// The second step goes back in time, by 1.7 h, and the errors are large for their order: it repays where steps are
/// short.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::symplectic::{Separable, Yoshida4};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
/// let force = field_fn(|_, q: &Tensor| Ok(q.neg()?));
/// let start = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[0f64], &Device::Cpu)?);
/// let solver = Solver::new(Yoshida4, Fixed::size(0.05)?);
/// let (q, p) = solver.solve(&Separable::new(velocity, force), &start, 0.0, 1.0)?.end()?;
/// assert!((q.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-6);
/// assert!((p.to_vec1::<f64>()?[0] + 1f64.sin()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "Forest–Ruth")]
#[doc(alias = "symplectic")]
pub struct Yoshida4;

/// `1 / (2 − 2^(1/3))`.
const W: f64 = 1.351_207_191_959_657_6;

composition!(Yoshida4, order = 4.0, [W, 1.0 - 2.0 * W, W]);
