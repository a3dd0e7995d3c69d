//! Steppers: how one step is made.
//!
//! | stepper | order | stages | error estimate |
//! | --- | --- | --- | --- |
//! | [`Euler`] | 1 | 1 | |
//! | [`Midpoint`] | 2 | 2 | |
//! | [`Heun`] | 2 | 2 | |
//! | [`Rk4`] | 4 | 4 | |
//! | [`Rk4ThreeEighths`] | 4 | 4 | |
//! | [`Dopri5`] | 5 | 7, the last one reused | order 4 |

#[cfg(test)]
mod contract;
mod dopri5;
mod euler;
mod heun;
mod midpoint;
mod rk4;
mod rk4_three_eighths;
mod runge_kutta;

use advect_core::{Field, Result};
use candle_core::Tensor;

pub use dopri5::Dopri5;
pub use euler::Euler;
pub use heun::Heun;
pub use midpoint::Midpoint;
pub use rk4::Rk4;
pub use rk4_three_eighths::Rk4ThreeEighths;
pub use runge_kutta::RungeKutta;

/// What a step gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// The state at t + h.
    pub x: Tensor,
    /// An estimate of the step's error, shaped like the state, from [`Embedded`] steppers.
    pub error: Option<Tensor>,
    /// The slope at the start, f(t, x): kept for another try from there.
    pub first_slope: Tensor,
    /// The slope at the end, f(t + h, x'), where the step has computed it: kept for the next step.
    pub last_slope: Option<Tensor>,
}

impl Step {
    /// A step to `x` whose slope at the start was `first_slope`, without error estimate or slope at the end;
    /// those that have them set the fields.
    pub fn new(x: Tensor, first_slope: Tensor) -> Self {
        Step {
            x,
            error: None,
            first_slope,
            last_slope: None,
        }
    }
}

/// A method that advances the state by one step.
///
/// Runge–Kutta methods implement [`RungeKutta`] and get this trait; other methods implement it
/// themselves.
pub trait Stepper {
    /// The order of convergence.
    fn order(&self) -> usize;

    /// One step from state `x` at time `t` to `t + h`; `h` is negative backwards in time. `slope` is
    /// f(t, x) where it is known, and is evaluated otherwise.
    ///
    /// # Errors
    /// Those of the field.
    fn step(
        &self,
        field: &dyn Field,
        t: f64,
        h: f64,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step>;
}

/// A [`Stepper`] whose steps carry an error estimate, so that [`Adaptive`](crate::controller::Adaptive)
/// can choose their size.
#[diagnostic::on_unimplemented(
    message = "`{Self}` gives no error estimate",
    label = "adaptive step sizes need one",
    note = "use `controller::Fixed` with this stepper, or an embedded one such as `Dopri5`"
)]
pub trait Embedded: Stepper {
    /// The lower of the two orders whose difference is the error estimate: 4 for a pair 5(4).
    fn error_order(&self) -> usize;
}

// For methods chosen at run time: `let stepper: &dyn Stepper = if accurate { &Rk4 } else { &Euler };`.
// A blanket implementation for references would overlap with that for Runge–Kutta methods.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl Stepper for $pointer {
            fn order(&self) -> usize {
                (**self).order()
            }
            fn step(
                &self,
                field: &dyn Field,
                t: f64,
                h: f64,
                x: &Tensor,
                slope: Option<&Tensor>,
            ) -> Result<Step> {
                (**self).step(field, t, h, x, slope)
            }
        }
    )*};
}
forward!(
    &(dyn Stepper + '_),
    Box<dyn Stepper + '_>,
    &(dyn Embedded + '_),
    Box<dyn Embedded + '_>
);

impl Embedded for &(dyn Embedded + '_) {
    fn error_order(&self) -> usize {
        (**self).error_order()
    }
}

impl Embedded for Box<dyn Embedded + '_> {
    fn error_order(&self) -> usize {
        (**self).error_order()
    }
}
