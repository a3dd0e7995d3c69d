//! Steps on a grid that is known beforehand.

use advect_core::{Error, Field, Result, check};

use super::{Attempt, Controller, Judgement, Position};
use crate::clock::{SLACK, spacing, unsigned};
use crate::stepper::Stepper;
use crate::{State, Status};

/// A controller with steps of fixed size, whatever the error.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Solver, controller::Fixed, stepper::Euler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let field = field_fn(|t, x| t.coefficient(|t| t)?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0.0f64], &Device::Cpu)?;
/// for (steps, count) in [(Fixed::steps(4)?, 4), (Fixed::size(0.3)?, 4), (Fixed::grid(&[0.1, 1.0])?, 2)] {
///     let solution = Solver::new(Euler, steps).solve(&field, &x, 0.0, 1.0)?;
///     assert_eq!(solution.statistics.accepted, count);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Steps(usize),
    Size(f64),
    Grid(Vec<f64>),
}

/// The largest number of steps.
const MOST: usize = u32::MAX as usize;

impl Fixed {
    /// Makes `count` steps of equal size from start to end, at most 2³² − 1.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 and above that; the integration gives it for steps too small to change the time.
    pub fn steps(count: usize) -> Result<Self> {
        match count {
            1..=MOST => Ok(Fixed(Kind::Steps(count))),
            _ => Err(Error::range(
                "count",
                count,
                format!("a number from 1 to {MOST}"),
            )),
        }
    }

    /// Makes steps of size `size` > 0, forwards or backwards in time. The last one is as short as it has to be.
    ///
    /// # Errors
    /// [`Error::Range`] unless `size` is finite and above 0; the integration gives it for steps too small to change the
    /// time, and for more than 2³² − 1 of them.
    pub fn size(size: f64) -> Result<Self> {
        Ok(Fixed(Kind::Size(check::positive("size", size)?)))
    }

    /// Makes steps that end at the given times and at the end of the integration. Times must be strictly monotone in
    /// the direction of the integration. Times that are not between its start and its end are skipped.
    ///
    /// # Errors
    /// [`Error::Range`] unless the times are finite and strictly monotone, [`Error::Empty`] without any.
    pub fn grid(times: &[f64]) -> Result<Self> {
        if times.is_empty() {
            return Err(Error::Empty {
                argument: "times".into(),
            });
        }
        let monotone =
            times.windows(2).all(|w| w[0] < w[1]) || times.windows(2).all(|w| w[0] > w[1]);
        if !monotone || times.iter().any(|t| !t.is_finite()) {
            let given = format!("{times:?}");
            return Err(Error::range(
                "times",
                given,
                "a list of finite, strictly monotone times",
            ));
        }
        Ok(Fixed(Kind::Grid(
            times.iter().map(|t| unsigned(*t)).collect(),
        )))
    }
}

/// The grid of one integration, and its progress.
#[derive(Debug, Clone)]
pub struct FixedMemory {
    start: f64,
    size: f64,
    count: usize,
    inner: Vec<f64>,
    done: usize,
}

impl FixedMemory {
    /// The end of step `k`, counted from 1, and the start of the first for 0.
    fn point(&self, k: usize, end: f64) -> f64 {
        if k == 0 {
            self.start
        } else if k >= self.count {
            end
        } else if self.inner.is_empty() {
            self.start + self.size * k as f64
        } else {
            self.inner[k - 1]
        }
    }

    /// The end of the step under way.
    fn next(&self, end: f64) -> f64 {
        self.point(self.done + 1, end)
    }
}

impl<X: State, S: Stepper<X> + ?Sized> Controller<S, X> for Fixed {
    type Memory = FixedMemory;

    fn begin(
        &self,
        _: &S,
        _: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(FixedMemory, Option<X>)> {
        let (start, span) = (at.t, at.end - at.t);
        let (size, count, inner) = match &self.0 {
            Kind::Steps(count) => (span / *count as f64, *count, Vec::new()),
            Kind::Size(size) => {
                // Where the size divides the span up to rounding, it divides it.
                let count = (span.abs() / size * (1.0 - 1e-12)).ceil().max(1.0);
                (size.copysign(span), count as usize, Vec::new())
            }
            Kind::Grid(times) => {
                if times.len() > 1 && (times[1] - times[0]) * span < 0.0 {
                    let given = format!("{times:?}");
                    return Err(Error::range(
                        "times",
                        given,
                        "a list of times in the direction of integration",
                    ));
                }
                let inside = |t: &&f64| (**t - start) * span > 0.0 && (at.end - **t) * span > 0.0;
                let inner: Vec<f64> = times.iter().filter(inside).copied().collect();
                (span, inner.len() + 1, inner)
            }
        };
        let resolved = spacing(start.abs().max(at.end.abs()));
        if count > MOST || (inner.is_empty() && count > 1 && size.abs() < resolved) {
            let given = format!(
                "a grid of steps of {:e} from {start} to {}",
                size.abs(),
                at.end
            );
            let accepted = format!("a grid of at most {MOST} steps, each of {resolved:e} or more");
            return Err(Error::range("controller", given, accepted));
        }
        let memory = FixedMemory {
            start,
            size,
            count,
            inner,
            done: 0,
        };
        Ok((memory, None))
    }

    /// The grid stays. A step that an event cut short has not come to its end, to which the next one goes, unless it is as near
    /// to it as to be there for the integration.
    fn restart(
        &self,
        memory: &mut FixedMemory,
        _: &S,
        _: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<Option<X>> {
        if let Some(done) = memory.done.checked_sub(1) {
            let [from, to] = [done, memory.done].map(|k| memory.point(k, at.end));
            let left = (to - at.t) * (to - from).signum();
            if left > SLACK * (to - from).abs() {
                memory.done = done;
            }
        }
        Ok(None)
    }

    fn next(&self, memory: &FixedMemory, at: Position<'_, X>) -> f64 {
        memory.next(at.end)
    }

    fn judge(&self, memory: &mut FixedMemory, _: &S, attempt: Attempt<'_, X>) -> Result<Judgement> {
        if !attempt.solved {
            return Ok(Judgement::Stop(Status::NoConvergence));
        }
        if !attempt.finite {
            return Ok(Judgement::Stop(Status::NonFinite));
        }
        if !attempt.shortened {
            memory.done += 1;
        }
        Ok(Judgement::Accept)
    }

    fn step_limit(&self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        for count in [0, MOST + 1, usize::MAX] {
            assert!(matches!(Fixed::steps(count), Err(Error::Range { .. })));
        }
        for size in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(Fixed::size(size).is_err(), "{size}");
        }
        assert!(Fixed::grid(&[]).is_err());
        assert!(Fixed::grid(&[0.0, 0.5, 0.5]).is_err());
        assert!(Fixed::grid(&[0.0, f64::NAN]).is_err());
    }
}
