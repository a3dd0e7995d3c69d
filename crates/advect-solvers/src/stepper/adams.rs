//! The methods of Adams, Bashforth and Moulton with steps of any size (Hairer, Nørsett and Wanner, Solving Ordinary
//! Differential Equations I, 2nd ed., sections III.1 and III.5; Shampine and Gordon 1975).

use advect_core::{Coefficient, Error, Field, Result};

use super::lagrange::weights;
use super::past::apart;
use super::{Dopri5, Dopri8, Embedded, Memory, Method, Remembered, Step, Stepper};
use crate::{Interval, State};

/// The predictor–corrector method of Adams, Bashforth and Moulton of an order p from 2 to 8: two evaluations per step,
/// whatever the order.
///
/// The polynomial through the last `p − 1` slopes is integrated to the end of the step; the slope is evaluated there, the
/// polynomial through it and the others is integrated again, and the slope at the new state is kept for the next steps. The
/// error estimate is the difference between the correctors of the orders p and `p − 1`, and the more exact one is taken. The
/// polynomials' nodes are the times of the steps, so that [`Adaptive`](crate::controller::Adaptive) may choose their sizes.
///
/// The first `p − 2` steps are those of [`Dopri5`], or of [`Dopri8`] for orders above 5, and so are those after a jump, or
/// after an event that changes the state. Of slopes that are less than a hundredth of the step apart, one is taken. It repays
/// where the field is costly and smooth and steps are many.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::{Adaptive, Fixed}, stepper::Adams};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solution = Solver::new(Adams::order(4)?, Fixed::steps(100)?).solve(&decay, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - (-1f64).exp()).abs() < 1e-8);
/// assert_eq!(solution.statistics.evaluations, 2 * 7 - 1 + 2 * 98);
///
/// let solution = Solver::new(Adams::order(7)?, Adaptive::new(1e-9, 1e-9)?).solve(&decay, &x, 0.0, 10.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - (-10f64).exp()).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "multistep")]
#[doc(alias = "Adams–Bashforth–Moulton")]
#[doc(alias = "ABM")]
#[doc(alias = "explicit_adams")]
#[doc(alias = "VCABM")]
pub struct Adams {
    order: usize,
}

impl Adams {
    /// Creates the method of an order.
    ///
    /// # Errors
    /// [`Error::Range`] for an order below 2 or above 8.
    pub fn order(order: usize) -> Result<Self> {
        match order {
            2..=8 => Ok(Adams { order }),
            _ => Err(Error::range("order", order, "an order from 2 to 8")),
        }
    }
}

/// The times and slopes at the starts of steps, the latest first.
#[derive(Debug)]
struct Starts<X>(Vec<(f64, X)>);

impl<X> Default for Starts<X> {
    fn default() -> Self {
        Starts(Vec::new())
    }
}

impl<X: State + 'static> Remembered for Starts<X> {
    /// Begins anew: the slopes are those of the whole batch.
    fn gather(&mut self, _: &[u32]) {
        self.0.clear();
    }
}

/// `Σ_i h w_i k_i`, and x if there is one.
fn sum<X: State>(h: f64, weights: &[f64], slopes: &[&X], x: Option<&X>) -> Result<X> {
    let both = weights.iter().zip(slopes);
    let mut terms: Vec<_> = both
        .map(|(w, k)| (Coefficient::Shared(h * w), *k))
        .collect();
    terms.extend(x.map(|x| (Coefficient::Shared(1.0), x)));
    X::combine(&terms)
}

impl Method for Adams {
    fn order(&self) -> f64 {
        self.order as f64
    }
}

impl<X: State + 'static> Stepper<X> for Adams {
    /// A step without earlier ones.
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        match self.order {
            ..=5 => Dopri5.step(field, interval, x, slope),
            _ => Dopri8.step(field, interval, x, slope),
        }
    }

    fn is_multistep(&self) -> bool {
        true
    }

    fn step_with(
        &self,
        memory: &mut Memory,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let &Interval::Shared { start, end } = interval else {
            return self.step(field, interval, x, slope);
        };
        let Starts(starts) = memory.of::<Starts<X>>();
        starts.retain(|(t, _)| *t != start);
        let step = match apart(starts, (start, end)).get(..self.order - 2) {
            Some(earlier) => self.multistep(earlier, field, (start, end), x, slope)?,
            None => self.step(field, interval, x, slope)?,
        };
        if let Some(first) = step.slopes.first() {
            starts.insert(0, (start, first.clone()));
            // Each may have another one too near to it.
            starts.truncate(2 * (self.order - 1));
        }
        Ok(step)
    }
}

impl Adams {
    /// A step that takes the slopes at the starts of earlier ones, with their places in steps from its own, the latest first.
    fn multistep<X: State>(
        &self,
        earlier: &[(f64, &X)],
        field: &dyn Field<X>,
        (start, end): (f64, f64),
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let evaluate = |place: f64, x: &X| -> Result<X> {
            let slope = field.at(&Interval::Shared { start, end }.time(place)?, x)?;
            slope.alike("field", "x", x)?;
            Ok(slope)
        };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => evaluate(0.0, x)?,
        };
        // Times in steps from the start, the new one first: 1, 0, and those of the past.
        let h = end - start;
        let mut nodes = vec![1.0, 0.0];
        nodes.extend(earlier.iter().map(|(node, _)| node));
        let mut slopes = vec![&first];
        slopes.extend(earlier.iter().map(|(_, slope)| *slope));
        let predicted = sum(h, &weights(&nodes[1..], 1.0), &slopes, Some(x))?;
        let ahead = evaluate(1.0, &predicted)?;
        slopes.insert(0, &ahead);
        let corrector = weights(&nodes, 1.0);
        let corrected = sum(h, &corrector, &slopes, Some(x))?;
        let mut lower = weights(&nodes[..self.order - 1], 1.0);
        lower.push(0.0);
        let difference: Vec<f64> = corrector.iter().zip(&lower).map(|(a, b)| a - b).collect();
        let error = sum(h, &difference, &slopes, None)?;
        let last = evaluate(1.0, &corrected)?;
        drop(slopes);
        let mut step = Step::new(corrected, first);
        step.error = Some(error);
        step.last_slope = Some(last);
        Ok(step)
    }
}

impl<X: State + 'static> Embedded<X> for Adams {
    fn error_order(&self) -> f64 {
        self.order as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{Adaptive, Fixed};
    use crate::{Event, Save, Solver};
    use advect_core::field_fn;
    use advect_core::testing::measured_order;
    use advect_core::testing::problems::{Forced, Problem, Rotation};
    use candle_core::{Device, Tensor};

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
        difference.to_scalar().unwrap()
    }

    /// The error at t = 1.
    fn error(method: Adams, problem: &impl Problem, grid: Fixed) -> f64 {
        let x0 = problem.solution(0.0).unwrap();
        let end = Solver::new(method, grid)
            .solve(problem, &x0, 0.0, 1.0)
            .unwrap()
            .end();
        difference(&end.unwrap(), &problem.solution(1.0).unwrap())
    }

    /// On equal steps and on a grid of uneven ones, whose sizes change by up to a half.
    #[test]
    fn orders_are_those_stated() {
        let uneven = |n: usize| -> Vec<f64> {
            let place = |i: usize| i as f64 / n as f64;
            (1..n)
                .map(|i| place(i) + 0.03 * (9.0 * place(i)).sin())
                .collect()
        };
        let turn = Rotation { omega: 8.0 };
        for order in 2..=8 {
            let method = Adams::order(order).unwrap();
            let check = |problem: &dyn Fn(Fixed) -> f64, counts: [usize; 4]| {
                let equal = measured_order(&counts, |n| problem(Fixed::steps(n).unwrap()));
                assert!((equal - order as f64).abs() < 0.3, "{equal}, not {order}");
                let other = measured_order(&counts, |n| problem(Fixed::grid(&uneven(n)).unwrap()));
                assert!(
                    (other - order as f64).abs() < 0.3,
                    "uneven: {other}, not {order}"
                );
            };
            check(&|grid| error(method, &turn, grid), [96, 128, 160, 192]);
            if order < 6 {
                check(&|grid| error(method, &Forced, grid), [96, 128, 192, 256]);
            }
        }
    }

    /// Adaptive steps meet their tolerance, and take fewer evaluations than a Runge–Kutta pair where many are needed.
    #[test]
    fn adaptive_steps_meet_tolerances() {
        let turn = Rotation { omega: 2.0 };
        let x0 = turn.solution(0.0).unwrap();
        for (from, to) in [(0.0, 20.0), (20.0, 0.0)] {
            let x = turn.solution(from).unwrap();
            let adaptive = || Adaptive::new(1e-9, 1e-9).unwrap();
            let adams =
                Solver::new(Adams::order(8).unwrap(), adaptive()).solve(&turn, &x, from, to);
            let dopri = Solver::new(Dopri5, adaptive())
                .solve(&turn, &x, from, to)
                .unwrap();
            let adams = adams.unwrap();
            let error = difference(&adams.end().unwrap(), &turn.solution(to).unwrap());
            assert!(error < 1e-6, "{error}");
            let (ours, theirs) = (adams.statistics, dopri.statistics);
            assert!(
                ours.evaluations < theirs.evaluations,
                "{ours:?}, {theirs:?}"
            );
        }
        let steps = Solver::new(Adams::order(5).unwrap(), Fixed::steps(50).unwrap());
        let solution = steps
            .integration(&turn, &x0, 0.0, 1.0)
            .save(Save::At(vec![0.33, 0.77]))
            .run();
        for (t, x) in [0.33, 0.77].iter().zip(&solution.unwrap().states) {
            assert!(difference(x, &turn.solution(*t).unwrap()) < 1e-6);
        }
    }

    /// The past ends where the field jumps, and where an event changes the state.
    #[test]
    fn it_begins_anew_at_jumps() {
        let field = field_fn(|t, x: &Tensor| {
            t.coefficient(|t| if t < 1.0 { 1.0 } else { -2.0 })?
                .times(&x.ones_like()?)
        });
        let x = Tensor::new(&[0f64], &Device::Cpu).unwrap();
        let solver = Solver::new(Adams::order(6).unwrap(), Fixed::steps(20).unwrap());
        let run = solver
            .integration(&field, &x, 0.0, 2.0)
            .jumps(&[1.0])
            .unwrap();
        let end = run.run().unwrap().end().unwrap().to_vec1::<f64>().unwrap()[0];
        assert!((end + 1.0).abs() < 1e-14, "{end}");
        // dx/dt = x, set back to 1 at t = 1.
        let growth = field_fn(|_, x: &Tensor| Ok(x.clone()));
        let event = Event::new(|t, _: &Tensor| Ok(t - 1.0));
        let one = x.ones_like().unwrap();
        let run = solver.integration(&growth, &one, 0.0, 2.0);
        let solution = run.apply(&event, |_, x| Ok(x.ones_like()?)).run().unwrap();
        let end = solution.end().unwrap().to_vec1::<f64>().unwrap()[0];
        assert!((end - 1f64.exp()).abs() < 1e-6, "{end}");
    }

    #[test]
    fn bad_settings_are_refused() {
        for order in [0, 1, 9] {
            let message = Adams::order(order).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("order: got {order}, expected an order from 2 to 8")
            );
        }
        let x = Tensor::new(&[0f64], &Device::Cpu).unwrap();
        let solver = Solver::new(Adams::order(3).unwrap(), Adaptive::new(1e-6, 1e-6).unwrap());
        let run = solver
            .integration(&Forced, &x, 0.0, 1.0)
            .each_sample()
            .run();
        assert!(run.unwrap_err().to_string().starts_with("stepper: got "));
    }
}
