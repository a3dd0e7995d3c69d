//! Methods for second-order and Hamiltonian equations, which preserve areas of phase space and, over long times, nearly
//! the energy.
//!
//! The state is a pair, positions q and momenta p, with a separable Hamiltonian `H(q, p) = T(p) + V(q)`:
//!
//! `dq/dt = ∂T/∂p = v(t, p)`, `dp/dt = −∂V/∂q = F(t, q)`.
//!
//! | field | made of |
//! | --- | --- |
//! | [`Separable`] | two fields, v and F |
//! | [`Hamiltonian`] | an energy `H(q, p)`, whose gradient is taken by candle, and which can be trained |
//! | [`system_fn`](advect_core::system_fn) | a function of the pair |
//!
//! | stepper | order | forces a step | velocities a step |
//! | --- | --- | --- | --- |
//! | [`Leapfrog`] | 2 | 1 | 1 |
//! | [`Yoshida4`] | 4 | 3 | 3 |
//! | [`Yoshida6`] | 6 | 7 | 7 |
//!
//! Each of them is symmetric: a step back undoes a step, up to rounding. Steps have to be of one size, so use
//! [`Fixed`](crate::controller::Fixed): with steps that follow the solution, the energy drifts as with any other method. The
//! velocity must not depend on q, nor the force on p; where they do, these are methods of order 1, so take a Runge–Kutta
//! method there.
//!
//! ```
//! use advect_core::field_fn;
//! use advect_solvers::symplectic::{Leapfrog, Separable};
//! use advect_solvers::{Solver, controller::Fixed};
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // A pendulum, H = p²/2 − cos q, for a thousand swings.
//! let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
//! let force = field_fn(|_, q: &Tensor| Ok(q.sin()?.neg()?));
//! let pendulum = Separable::new(velocity, force);
//! let start = (Tensor::new(&[2f64], &Device::Cpu)?, Tensor::new(&[0f64], &Device::Cpu)?);
//! let solver = Solver::new(Leapfrog, Fixed::size(0.1)?);
//! let (q, p) = solver.solve(&pendulum, &start, 0.0, 1000.0)?.end()?;
//! let energy = (p.sqr()? * 0.5)?.sub(&q.cos()?)?.to_vec1::<f64>()?[0];
//! assert!((energy + 2f64.cos()).abs() < 3e-3);
//! # Ok(())
//! # }
//! ```

mod composition;
mod half;
mod hamiltonian;
mod leapfrog;
mod separable;
mod yoshida4;
mod yoshida6;

pub use hamiltonian::Hamiltonian;
pub use leapfrog::Leapfrog;
pub use separable::Separable;
pub use yoshida4::Yoshida4;
pub use yoshida6::Yoshida6;
