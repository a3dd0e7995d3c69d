//! Yoshida's method of order 6 (Construction of higher order symplectic integrators, 1990, table 1, solution A; the digits are
//! those of Hairer, Lubich and Wanner, Geometric Numerical Integration, 2nd ed., eq. V.3.11).

use super::composition::composition;

/// Yoshida's method of order 6: seven leapfrog steps.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::symplectic::{Separable, Yoshida6};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
/// let force = field_fn(|_, q: &Tensor| Ok(q.neg()?));
/// let start = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[0f64], &Device::Cpu)?);
/// let solver = Solver::new(Yoshida6, Fixed::size(0.1)?);
/// let (q, p) = solver.solve(&Separable::new(velocity, force), &start, 0.0, 1.0)?.end()?;
/// assert!((q.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-7);
/// assert!((p.to_vec1::<f64>()?[0] + 1f64.sin()).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "symplectic")]
pub struct Yoshida6;

const W1: f64 = -1.177_679_984_178_871;
const W2: f64 = 0.235_573_213_359_358_13;
const W3: f64 = 0.784_513_610_477_557_3;
const W0: f64 = 1.0 - 2.0 * (W1 + W2 + W3);

composition!(Yoshida6, order = 6.0, [W3, W2, W1, W0, W1, W2, W3]);
