//! Steppers, which make the steps of an integration.
//!
//! | stepper | order | stages | error estimate | order within a step |
//! | --- | --- | --- | --- | --- |
//! | [`Euler`] | 1 | 1 | | 1 |
//! | [`Midpoint`], [`Heun`], [`Ralston`] | 2 | 2 | order 1 | 2 |
//! | [`Rk4`], [`Rk4ThreeEighths`] | 4 | 4 | | 4 |
//! | [`Bosh3`] | 3 | 4, the last one reused | order 2 | 3 |
//! | [`Dopri5`], [`Dopri5Shampine`], [`Tsit5`] | 5 | 7, the last one reused | order 4 | 5 |
//! | [`Dopri8`] | 8 | 14, the last one reused | order 7 | 6 |
//! | [`Adams`], a multistep method | p from 2 to 8 | 2 | order p − 1 | |
//! | [`AdaptiveAdams`], a multistep method | p from 2 to 13, as errors ask for | 2 | order p − 1 | p |
//!
//! The last column is the order of the error of dense output, at the worst place within a step. Methods for stiff equations are in
//! [`implicit`](crate::implicit).

mod adams;
mod adaptive_adams;
mod bosh3;
#[cfg(test)]
mod contract;
mod dopri5;
mod dopri5_shampine;
mod dopri8;
mod euler;
mod heun;
pub(crate) mod lagrange;
mod memory;
mod midpoint;
mod past;
mod ralston;
mod rk4;
mod rk4_three_eighths;
mod runge_kutta;
mod tsit5;

use advect_core::{Error, Field, Result};
use candle_core::Tensor;

use crate::{Interval, State, Status, Tableau};

pub use adams::Adams;
pub use adaptive_adams::AdaptiveAdams;
pub use bosh3::Bosh3;
pub use dopri5::Dopri5;
pub use dopri5_shampine::Dopri5Shampine;
pub use dopri8::Dopri8;
pub use euler::Euler;
pub use heun::Heun;
pub use memory::{Memory, Remembered};
pub use midpoint::Midpoint;
pub use ralston::Ralston;
pub use rk4::Rk4;
pub use rk4_three_eighths::Rk4ThreeEighths;
pub use runge_kutta::{EmbeddedRungeKutta, RungeKutta};
pub(crate) use runge_kutta::{combination, weighted};
pub use tsit5::Tsit5;

/// The result of one step of a [`Stepper`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step<X = Tensor> {
    /// The state at t + h.
    pub x: X,
    /// An estimate of the step's error, shaped like the state, from [`Embedded`] steppers.
    pub error: Option<X>,
    /// The slopes of the stages. The first, f(t, x), is kept for another try from there.
    pub slopes: Vec<X>,
    /// The slope at the end, f(t + h, x'), if the step has computed it, which is kept for the next step.
    pub last_slope: Option<X>,
    /// The samples whose equations an implicit method did not solve, so that the step is rejected.
    pub unsolved: Vec<Unsolved>,
    /// The places of the slopes, counted in steps from the start, if the state within the step is the integral of the
    /// polynomial through the slopes there, as that of a multistep method may be; otherwise none. There are as many as slopes, 14 at
    /// most, all different.
    pub nodes: Vec<f64>,
    /// What a method that changes its order tells of its next step; otherwise `None`.
    pub outlook: Option<Outlook<X>>,
}

/// The next step of a method that changes its order, from which a controller finds its size.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outlook<X = Tensor> {
    /// An estimate of the error of the step just made, had it been of the order of the next one.
    pub error: X,
    /// The order q of that estimate: it is O(h^(q + 1)) for steps of size h.
    pub error_order: f64,
}

impl<X> Outlook<X> {
    /// Creates the outlook of an error estimate and its order.
    pub fn new(error: X, error_order: f64) -> Self {
        Outlook { error, error_order }
    }
}

/// A sample whose equations an implicit method did not solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsolved {
    /// The position of the sample in the batch.
    pub sample: usize,
    /// The cause: [`Status::NoConvergence`], [`Status::SingularMatrix`] or [`Status::NonFinite`].
    pub cause: Status,
}

impl Unsolved {
    /// Creates the record of a sample that failed, with the cause.
    pub fn new(sample: usize, cause: Status) -> Self {
        Unsolved { sample, cause }
    }
}

impl<X> Step<X> {
    /// Creates a step to `x` whose slope at the start was `first_slope`, without an error estimate and without a
    /// slope at the end. Set these fields afterwards if they are known.
    pub fn new(x: X, first_slope: X) -> Self {
        Step {
            x,
            error: None,
            slopes: vec![first_slope],
            last_slope: None,
            unsolved: Vec::new(),
            nodes: Vec::new(),
            outlook: None,
        }
    }

    /// The step, or an error if its equations were not solved.
    pub(crate) fn solved(self) -> Result<Self> {
        match self.unsolved.first() {
            None => Ok(self),
            Some(Unsolved { sample, cause }) => Err(Error::stopped(
                format!("a step that is made again, sample {sample}"),
                cause.reason().unwrap_or("its equations were not solved"),
            )),
        }
    }
}

impl<X: State> Step<X> {
    /// The same step outside of any graph.
    pub(crate) fn detach(&self) -> Self {
        Step {
            x: self.x.detach(),
            error: self.error.as_ref().map(X::detach),
            slopes: self.slopes.iter().map(X::detach).collect(),
            last_slope: self.last_slope.as_ref().map(X::detach),
            unsolved: self.unsolved.clone(),
            nodes: self.nodes.clone(),
            outlook: (self.outlook.as_ref())
                .map(|outlook| Outlook::new(outlook.error.detach(), outlook.error_order)),
        }
    }
}

/// The properties of a method, for all types of states.
pub trait Method {
    /// Returns the order of convergence; for stochastic methods, the strong order.
    fn order(&self) -> f64;

    /// Returns the coefficients of a Runge–Kutta method, or `None` for other methods, which have no states between
    /// the ends of a step.
    fn tableau(&self) -> Option<&'static Tableau> {
        None
    }

    /// Returns `true` if the states within a step are known: for methods with a tableau, and for others that set
    /// [`Step::nodes`] in each step.
    fn is_continuous(&self) -> bool {
        self.tableau().is_some()
    }
}

/// A method that advances the state by one step.
///
/// Runge–Kutta methods implement [`RungeKutta`] and get this trait; other methods implement it
/// themselves.
pub trait Stepper<X: State = Tensor>: Method {
    /// Makes one step from state `x`, over an interval. `slope` is f(t, x) if it is known; otherwise the step evaluates it.
    ///
    /// # Errors
    /// The errors of the field.
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>>;

    /// Returns `true` for a multistep method, whose steps depend on those before by its memory.
    fn is_multistep(&self) -> bool {
        false
    }

    /// Makes one step like [`Stepper::step`], as part of an integration, in whose memory values can be kept from step to
    /// step: slopes of earlier steps, or a factorised matrix. The memory is empty where the integration begins or begins anew.
    /// A step from the place where the last one began is another try of it. Explicit one-step methods keep nothing.
    ///
    /// # Errors
    /// The errors of the field.
    fn step_with(
        &self,
        memory: &mut Memory,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let _ = memory;
        self.step(field, interval, x, slope)
    }

    /// Returns the state after a step, at the least cost, to recompute a step.
    ///
    /// # Errors
    /// The errors of the field.
    fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
        Ok(self.step(field, interval, x, None)?.x)
    }
}

/// A [`Stepper`] whose steps carry an error estimate, so that [`Adaptive`](crate::controller::Adaptive)
/// can choose their size.
///
/// Embedded Runge–Kutta pairs implement [`EmbeddedRungeKutta`] and get this trait; other methods implement it
/// themselves, and set [`Step::error`] in each step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` gives no error estimate",
    label = "adaptive step sizes need one",
    note = "use `controller::Fixed` with this stepper, or an embedded one such as `Dopri5`",
    note = "a Runge–Kutta method of your own whose tableau has error weights needs `impl EmbeddedRungeKutta for {Self} {{}}`"
)]
pub trait Embedded<X: State = Tensor>: Stepper<X> {
    /// Returns the lower of the two orders whose difference is the error estimate: 4 for a pair 5(4). For a method that
    /// changes its order it is that of the first step; the others tell by [`Step::outlook`].
    fn error_order(&self) -> f64;
}

// For methods chosen at run time: `let stepper: &dyn Stepper = if accurate { &Rk4 } else { &Euler };`.
// A blanket implementation for references would overlap with that for Runge–Kutta methods.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<X: State> Method for $pointer {
            fn order(&self) -> f64 {
                (**self).order()
            }

            fn tableau(&self) -> Option<&'static Tableau> {
                (**self).tableau()
            }

            fn is_continuous(&self) -> bool {
                (**self).is_continuous()
            }
        }

        impl<X: State> Stepper<X> for $pointer {
            fn step(
                &self,
                field: &dyn Field<X>,
                interval: &Interval,
                x: &X,
                slope: Option<&X>,
            ) -> Result<Step<X>> {
                (**self).step(field, interval, x, slope)
            }

            fn is_multistep(&self) -> bool {
                (**self).is_multistep()
            }

            fn step_with(
                &self,
                memory: &mut Memory,
                field: &dyn Field<X>,
                interval: &Interval,
                x: &X,
                slope: Option<&X>,
            ) -> Result<Step<X>> {
                (**self).step_with(memory, field, interval, x, slope)
            }

            fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
                (**self).advance(field, interval, x)
            }
        }
    )*};
}
forward!(
    &(dyn Stepper<X> + '_),
    Box<dyn Stepper<X> + '_>,
    &(dyn Embedded<X> + '_),
    Box<dyn Embedded<X> + '_>
);

impl<X: State> Embedded<X> for &(dyn Embedded<X> + '_) {
    fn error_order(&self) -> f64 {
        (**self).error_order()
    }
}

impl<X: State> Embedded<X> for Box<dyn Embedded<X> + '_> {
    fn error_order(&self) -> f64 {
        (**self).error_order()
    }
}
