//! Where an integration is to stop.

use std::fmt;

use advect_core::{Result, check};
use candle_core::Tensor;

type Function<'a, X> = dyn Fn(f64, &X) -> Result<f64> + 'a;

/// The zero of a scalar function of time and state: [`Solver::solve_until`](crate::Solver::solve_until) stops there.
///
/// After each accepted step the sign is compared with that before; where it changed, the size of that step at which the
/// function is zero is found by steps of the method itself, so that the state there is as exact as any other. Two zeros
/// within one step are not seen. A function that is zero at the start has not crossed it yet.
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Event, Solver, Status, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A ball falls from a height of 10 m: columns are height and speed.
/// let fall = |_: &Time, x: &Tensor| {
///     let speed = x.narrow(1, 1, 1)?;
///     Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -9.81)?], 1)?)
/// };
/// let x = Tensor::new(&[[10f64, 0.0]], &Device::Cpu)?;
/// let ground = Event::new(|_, x: &Tensor| Ok(x.to_vec2::<f64>()?[0][0]));
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let solution = solver.solve_until(&fall, &x, 0.0, 10.0, &ground)?;
/// assert_eq!(solution.status, Status::Event);
/// assert!((solution.last_time - (20f64 / 9.81).sqrt()).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub struct Event<'a, X = Tensor> {
    function: Box<Function<'a, X>>,
    crossing: Crossing,
    tolerance: f64,
}

/// Which changes of sign count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Crossing {
    /// Both.
    #[default]
    Any,
    /// From below 0 to above.
    Rising,
    /// From above 0 to below.
    Falling,
}

impl<'a, X> Event<'a, X> {
    /// Where `function` is 0, in either direction, located to 1e-12 of the time that the step takes.
    pub fn new(function: impl Fn(f64, &X) -> Result<f64> + 'a) -> Self {
        Event {
            function: Box::new(function),
            crossing: Crossing::Any,
            tolerance: 1e-12,
        }
    }

    /// Only where the function crosses 0 in this direction, as the integration goes.
    pub fn crossing(self, crossing: Crossing) -> Self {
        Event { crossing, ..self }
    }

    /// Located to this part of the step in which it is, at most 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless finite and above 0.
    pub fn tolerance(self, tolerance: f64) -> Result<Self> {
        let tolerance = check::positive("tolerance", tolerance)?.min(1.0);
        Ok(Event { tolerance, ..self })
    }

    pub(crate) fn value(&self, t: f64, x: &X) -> Result<f64> {
        (self.function)(t, x)
    }

    /// Whether the function crossed 0 between two values; NaN is no crossing.
    pub(crate) fn crossed(&self, before: f64, after: f64) -> bool {
        let rising = before < 0.0 && after >= 0.0;
        let falling = before > 0.0 && after <= 0.0;
        match self.crossing {
            Crossing::Any => rising || falling,
            Crossing::Rising => rising,
            Crossing::Falling => falling,
        }
    }

    /// The fraction of a step at which the function is 0, and what `attempt` gave there: the function's value and
    /// anything else. By the Illinois rule (Dowell and Jarratt 1971), with a bisection now and then.
    pub(crate) fn locate<P>(
        &self,
        before: f64,
        (after, at_end): (f64, P),
        attempt: impl Fn(f64) -> Result<(f64, P)>,
    ) -> Result<(f64, P)> {
        let (mut low, mut f_low) = (0.0, before);
        let (mut high, mut f_high, mut best) = (1.0, after, at_end);
        // Which end moved last.
        let mut moved_high = None;
        for iteration in 0..200 {
            if high - low <= self.tolerance || f_high == 0.0 {
                break;
            }
            let secant = high - f_high * (high - low) / (f_high - f_low);
            let usable = secant > low && secant < high && iteration % 4 != 3;
            let middle = if usable { secant } else { 0.5 * (low + high) };
            if middle <= low || middle >= high {
                break;
            }
            let (f, found) = attempt(middle)?;
            // A step that fails is none that has crossed.
            let crossed = f == 0.0 || (!f.is_nan() && (f > 0.0) == (after > 0.0));
            if crossed {
                (high, f_high, best) = (middle, f, found);
                if moved_high == Some(true) {
                    f_low *= 0.5;
                }
            } else {
                low = middle;
                if !f.is_nan() {
                    f_low = f;
                }
                if moved_high == Some(false) {
                    f_high *= 0.5;
                }
            }
            moved_high = Some(crossed);
        }
        Ok((high, best))
    }
}

impl<X> fmt::Debug for Event<'_, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("crossing", &self.crossing)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}
