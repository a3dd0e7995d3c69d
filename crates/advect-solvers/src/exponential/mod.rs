//! Exponential integrators of `dx/dt = −A x + f(t, x)`, which treat the linear part exactly.
//!
//! A is a number, or a number for each element: [`Rates`]. The stepper holds it, and the field is f. Large rates need
//! no short steps; without f a step of any length is exact.
//!
//! | stepper | order | evaluations | error estimate | source |
//! | --- | --- | --- | --- | --- |
//! | [`ExponentialEuler`] | 1 | 1 | | ETD1 |
//! | [`ExponentialHeun`] | 2 | 2 | order 1 | ETD2RK |
//! | [`Etdrk4`] | 4 | 4 | | ETDRK4 |
//!
//! They are those of Cox and Matthews, Exponential time differencing for stiff systems, J. Comput. Phys. 176, 2002,
//! equations 4, 22 and 26–29, with the functions `φ_k(z) = Σ_n zⁿ/(n + k)!`. With noise there is
//! [`sde::ExponentialEulerMaruyama`](crate::sde::ExponentialEulerMaruyama).
//!
//! The methods have no states between the ends of a step, so states are saved by [`Save::At`](crate::Save::At).

mod etdrk4;
mod euler;
mod heun;
mod rates;

use advect_core::Result;

use crate::Interval;

pub use etdrk4::Etdrk4;
pub use euler::ExponentialEuler;
pub use heun::ExponentialHeun;
pub use rates::Rates;
pub(crate) use rates::phi;

/// The start and the end of a step that all samples share.
fn shared(interval: &Interval) -> Result<(f64, f64)> {
    interval.shared("the factors of a step are the same for all samples")
}
