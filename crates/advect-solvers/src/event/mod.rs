//! Events of integrations: where a function of time and state is 0.

mod bracket;
mod tracked;
mod watch;

use std::fmt;
use std::sync::Arc;

use advect_core::{Field, Result, Time, check};
use candle_core::Tensor;

use crate::State;

pub(crate) use watch::{Interruption, Watch};

type Function<X> = dyn Fn(f64, &X) -> Result<f64> + Send + Sync;

/// An event of an integration: the zero of a scalar function of time and state.
///
/// The integration stops there ([`Integration::until`](crate::Integration::until)), takes note of it and goes on
/// ([`Integration::watch`](crate::Integration::watch)), or goes on from another state
/// ([`Integration::apply`](crate::Integration::apply)).
///
/// After each accepted step the sign is compared with that before; where it changed, the size of that step at which the
/// function is zero is found by steps of the method itself, so that the state there is as exact as any other. Two zeros
/// of one event within one step are not seen; those of several events are, in their order.
///
/// A function may be NaN for a while, and its sign is then compared with the last one before. If it still is at the end of
/// the integration, an event may have been missed, which is an [`Error::Range`](advect_core::Error::Range) that names it.
///
/// A function that is zero at the start has not crossed it yet. So an integration can go on from the state at an event,
/// changed or not, without finding the same event again: a value is zero where it is within the rounding of the state, and
/// where it is zero within 1e-12 of the time, and 64 times 1e-12 (for states of 32 bits or fewer, eight roundoffs) of the step,
/// at most a quarter of it. The 64 is for a first step that is shorter than the step to the event was. A value as near to zero at the end of a step
/// has reached it, so that no event is lost between two integrations. With a tolerance coarser than 1e-12 of a step, name
/// the direction by [`Event::crossing`] before you go on from an event.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Event, Solver, Status, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A ball falls from a height of 10 m: columns are height and speed.
/// let fall = field_fn(|_, x| {
///     let speed = x.narrow(1, 1, 1)?;
///     Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -9.81)?], 1)?)
/// });
/// let x = Tensor::new(&[[10f64, 0.0]], &Device::Cpu)?;
/// let ground = Event::new(|_, x: &Tensor| Ok(x.to_vec2::<f64>()?[0][0]));
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let solution = solver.integration(&fall, &x, 0.0, 10.0).until(&ground).run()?;
/// assert_eq!(solution.status, Status::Event);
/// assert!((solution.last_time - (20f64 / 9.81).sqrt()).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "odeint_event")]
#[doc(alias = "callback")]
#[doc(alias = "terminate")]
#[doc(alias = "root finding")]
pub struct Event<X = Tensor> {
    function: Arc<Function<X>>,
    crossing: Crossing,
    tolerance: f64,
}

/// The changes of sign that count as an [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Crossing {
    /// Both directions.
    #[default]
    Any,
    /// The change from below 0 to above.
    Rising,
    /// The change from above 0 to below.
    Falling,
}

impl<X> Clone for Event<X> {
    fn clone(&self) -> Self {
        Event {
            function: Arc::clone(&self.function),
            ..*self
        }
    }
}

impl<X> Event<X> {
    /// Creates an event where `function` crosses 0 in either direction, located to 1e-12 of the size of the step.
    pub fn new(function: impl Fn(f64, &X) -> Result<f64> + Send + Sync + 'static) -> Self {
        Event {
            function: Arc::new(function),
            crossing: Crossing::Any,
            tolerance: 1e-12,
        }
    }

    /// Sets the direction in which the function has to cross 0, seen along the integration.
    pub fn crossing(self, crossing: Crossing) -> Self {
        Event { crossing, ..self }
    }

    /// Sets the part of a step to which the event is located, at most 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless finite and above 0.
    pub fn tolerance(self, tolerance: f64) -> Result<Self> {
        let tolerance = check::positive("tolerance", tolerance)?.min(1.0);
        Ok(Event { tolerance, ..self })
    }

    /// Creates the event of a steady state: where `‖f / (atol + rtol · |x|)‖`, a root mean square over all elements, falls
    /// to 1. It costs an evaluation of the field after each step, which the statistics don't count.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use advect_core::field_fn;
    /// use advect_solvers::{Event, Solver, Status, controller::Adaptive, stepper::Tsit5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // dx/dt = 1 − x from 0: the slope is exp(−t).
    /// let settle = Arc::new(field_fn(|_, x: &Tensor| Ok(x.affine(-1.0, 1.0)?)));
    /// let settled = Event::steady_state(settle.clone(), 0.0, 1e-3)?;
    /// let x = Tensor::new(&[0f64], &Device::Cpu)?;
    /// let solver = Solver::new(Tsit5, Adaptive::new(1e-9, 1e-9)?);
    /// let solution = solver.integration(&settle, &x, 0.0, 1e3).until(&settled).run()?;
    /// assert_eq!(solution.status, Status::Event);
    /// assert!((solution.last_time - 1e3f64.ln()).abs() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless both tolerances are finite and not negative.
    #[doc(alias = "equilibrium")]
    #[doc(alias = "TerminateSteadyState")]
    pub fn steady_state(
        field: impl Field<X> + Send + Sync + 'static,
        rtol: f64,
        atol: f64,
    ) -> Result<Self>
    where
        X: State,
    {
        let rtol = check::non_negative("rtol", rtol)?;
        // Zeros of slope and state are no NaN.
        let atol = check::non_negative("atol", atol)?.max(f64::MIN_POSITIVE);
        let size = move |t: f64, x: &X| {
            let slope = field.at(&Time::Shared(t), x)?;
            Ok(slope.scaled_error(x, x, rtol, atol)?.rms() - 1.0)
        };
        Ok(Event::new(size).crossing(Crossing::Falling))
    }

    /// The same event of the first of two states.
    pub(crate) fn of_first<Y: 'static>(&self) -> Event<(X, Y)>
    where
        X: 'static,
    {
        let function = Arc::clone(&self.function);
        Event {
            function: Arc::new(move |t, (x, _)| function(t, x)),
            crossing: self.crossing,
            tolerance: self.tolerance,
        }
    }

    fn value(&self, t: f64, x: &X) -> Result<f64> {
        (self.function)(t, x)
    }

    /// Whether the function crossed 0 between two values; NaN is no crossing.
    fn crossed(&self, before: f64, after: f64) -> bool {
        let rising = before < 0.0 && after >= 0.0;
        let falling = before > 0.0 && after <= 0.0;
        self.counts(rising, falling)
    }

    fn counts(&self, rising: bool, falling: bool) -> bool {
        match self.crossing {
            Crossing::Any => rising || falling,
            Crossing::Rising => rising,
            Crossing::Falling => falling,
        }
    }
}

/// The effect of an event: the state to go on from.
type Effect<'a, X> = dyn Fn(f64, &X) -> Result<X> + 'a;

/// An event of an integration, and what follows from it.
pub(crate) struct Watched<'a, X> {
    pub(crate) event: &'a Event<X>,
    pub(crate) reaction: Reaction<'a, X>,
}

/// What follows from an event.
pub(crate) enum Reaction<'a, X> {
    /// The integration stops when it happens the n-th time.
    Stop(usize),
    /// Nothing.
    Note,
    /// The state changes.
    Change(Box<Effect<'a, X>>),
}

impl<X> fmt::Debug for Event<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("crossing", &self.crossing)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}
