//! The leapfrog method (Störmer 1907, Verlet 1967; Hairer, Lubich and Wanner, Geometric Numerical Integration, 2nd ed.,
//! eq. I.1.17).

use super::composition::composition;

/// The leapfrog or velocity Verlet method: half a kick, a drift, half a kick,
///
/// `p½ = p + h/2 F(t, q)`, `q' = q + h v(t + h/2, p½)`, `p' = p½ + h/2 F(t + h, q')`:
///
/// order 2, symplectic and symmetric. The force at the end is the first of the next step.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::symplectic::{Leapfrog, Separable};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // One step of size h of an oscillator: q' = (1 − h²/2) q, p' = −h (1 − h²/4) q.
/// let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
/// let force = field_fn(|_, q: &Tensor| Ok(q.neg()?));
/// let start = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[0f64], &Device::Cpu)?);
/// let solver = Solver::new(Leapfrog, Fixed::steps(1)?);
/// let (q, p) = solver.solve(&Separable::new(velocity, force), &start, 0.0, 1.0)?.end()?;
/// assert_eq!((q.to_vec1::<f64>()?, p.to_vec1::<f64>()?), (vec![0.5], vec![-0.75]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "Störmer–Verlet")]
#[doc(alias = "velocity Verlet")]
#[doc(alias = "symplectic")]
pub struct Leapfrog;

composition!(Leapfrog, order = 2.0, [1.0]);
