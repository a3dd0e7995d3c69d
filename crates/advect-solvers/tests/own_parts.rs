//! Parts that a user writes: each is made of public constructors alone, and takes the place of ours.

use std::ops::ControlFlow;
use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Field, Jvp, Observer, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Unrolled};
use advect_solvers::controller::{Adaptive, Attempt, Controller, Fixed, Judgement, Position};
use advect_solvers::divergence::{Divergence, Flow, WithDivergence};
use advect_solvers::stepper::{Dopri5, Embedded, EmbeddedRungeKutta, Method, RungeKutta};
use advect_solvers::stepper::{Rk4, Step, Stepper};
use advect_solvers::{
    AcceptedStep, Interval, Solution, Solver, State, Statistics, Status, Tableau,
};
use candle_core::{Tensor, Var};

fn number(x: &Tensor) -> f64 {
    x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
}

fn one() -> Tensor {
    Tensor::new(&[[1f64]], device()).unwrap()
}

/// The pair 4(3) of Zonneveld, 1963 (Hairer, Nørsett and Wanner I, table 4.2).
struct Zonneveld;

impl RungeKutta for Zonneveld {
    const TABLEAU: Tableau = Tableau::new(
        4,
        &[0.0, 0.5, 0.5, 1.0, 0.75],
        &[
            &[],
            &[0.5],
            &[0.0, 0.5],
            &[0.0, 0.0, 1.0],
            &[5.0 / 32.0, 7.0 / 32.0, 13.0 / 32.0, -1.0 / 32.0],
        ],
        &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0, 0.0],
    )
    .with_error(3, &[2.0 / 3.0, -2.0, -2.0, -2.0, 16.0 / 3.0]);
}

impl EmbeddedRungeKutta for Zonneveld {}

#[test]
fn a_pair_is_a_tableau_and_a_name() {
    assert_eq!(Embedded::<Tensor>::error_order(&Zonneveld), 3.0);
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let solver = Solver::new(Zonneveld, Adaptive::new(1e-8, 1e-8).unwrap());
    let end = solver.solve(&decay, &one(), 0.0, 1.0).unwrap().end();
    assert!((number(&end.unwrap()) - (-1f64).exp()).abs() < 1e-7);
    // One step by each of the methods, whose difference is the estimate.
    let interval = Interval::Shared {
        start: 0.0,
        end: 0.1,
    };
    let step = Zonneveld.step(&decay, &interval, &one(), None).unwrap();
    let estimate = number(&step.error.unwrap());
    assert!(estimate.abs() > 1e-7 && estimate.abs() < 1e-4, "{estimate}");
}

/// Euler's method, with half the change of the slope as the error.
struct Checked;

impl Method for Checked {
    fn order(&self) -> f64 {
        1.0
    }
}

impl<X: State> Stepper<X> for Checked {
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let first = match slope {
            Some(slope) => slope.clone(),
            None => field.at(&interval.time(0.0)?, x)?,
        };
        let end = X::combine(&[(interval.factor(1.0), &first), (interval.factor(0.0), x)])?;
        let end = X::combine(&[
            (advect_core::Coefficient::Shared(1.0), &end),
            (advect_core::Coefficient::Shared(1.0), x),
        ])?;
        let last = field.at(&interval.time(1.0)?, &end)?;
        let error = X::combine(&[
            (interval.factor(0.5), &last),
            (interval.factor(-0.5), &first),
        ])?;
        let mut step = Step::new(end, first);
        step.error = Some(error);
        step.last_slope = Some(last);
        Ok(step)
    }
}

impl<X: State> Embedded<X> for Checked {
    fn error_order(&self) -> f64 {
        1.0
    }
}

/// Steps of one size, halved where an error is too large, for any stepper.
struct Halving(f64);

impl<S: Stepper<X>, X: State> Controller<S, X> for Halving {
    type Memory = f64;

    fn begin(&self, _: &S, _: &dyn Field<X>, at: Position<'_, X>) -> Result<(f64, Option<X>)> {
        Ok(((at.end - at.t) / 4.0, None))
    }

    fn next(&self, size: &f64, at: Position<'_, X>) -> f64 {
        at.t + size
    }

    fn judge(&self, size: &mut f64, _: &S, attempt: Attempt<'_, X>) -> Result<Judgement> {
        let Some(error) = &attempt.step.error else {
            return Ok(Judgement::Accept);
        };
        let ratio = error.scaled_error(attempt.from.x, &attempt.step.x, 0.0, self.0)?;
        if attempt.finite && ratio.largest() <= 1.0 {
            return Ok(Judgement::Accept);
        }
        *size *= 0.5;
        Ok(Judgement::Reject)
    }

    fn step_limit(&self) -> usize {
        100_000
    }
}

#[test]
fn a_stepper_and_a_controller_are_driven_and_tested_alone() {
    let growth = field_fn(|_, x| Ok(x.clone()));
    let solver = Solver::new(Checked, Halving(1e-4));
    let solution = solver.solve(&growth, &one(), 0.0, 1.0).unwrap();
    assert!((number(&solution.end().unwrap()) - 1f64.exp()).abs() < 0.05);
    assert!(solution.statistics.rejected > 3);
    let adaptive = Solver::new(Checked, Adaptive::new(1e-4, 1e-4).unwrap());
    assert!(
        adaptive
            .solve(&growth, &one(), 0.0, 1.0)
            .unwrap()
            .end()
            .is_ok()
    );

    let x = one();
    let from = Position::new(0.0, &x, 1.0);
    let mut step = Step::new((&x * 1.5).unwrap(), x.clone());
    step.error = Some((&x * 1e-3).unwrap());
    let mut size = 0.5;
    let attempt = Attempt::new(from, 0.5, &step);
    let judgement = Controller::<Checked>::judge(&Halving(1e-4), &mut size, &Checked, attempt);
    assert_eq!((judgement.unwrap(), size), (Judgement::Reject, 0.25));
    step.error = Some((&x * 1e-5).unwrap());
    let attempt = Attempt::new(from, 0.5, &step);
    assert!(attempt.finite && !attempt.shortened);
    let judgement = Controller::<Checked>::judge(&Halving(1e-4), &mut size, &Checked, attempt);
    assert_eq!((judgement.unwrap(), size), (Judgement::Accept, 0.25));
}

/// Unrolled steps to the last time alone, told to nobody before it is reached.
struct OnlyTheEnd;

impl Adjoint for OnlyTheEnd {
    fn solve_observed<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        let ends = [times[0], times[times.len() - 1]];
        let by = Unrolled::new(Solver::new(Rk4, Fixed::steps(8)?));
        let x1 = by.solve(field, parameters, x0, &ends)?.end()?;
        let mut statistics = Statistics::default();
        statistics.accepted = 1;
        let step = AcceptedStep::new(ends[0], ends[1], x1.clone(), statistics);
        let status = match observer.observe(&step)? {
            ControlFlow::Continue(()) => Status::Reached,
            ControlFlow::Break(()) => Status::Halted,
        };
        let mut solution = Solution::new(status, ends[1], x1);
        solution.statistics = statistics;
        Ok(solution)
    }
}

/// Keeps the last time that it was told.
#[derive(Default)]
struct Last(f64);

impl Observer<AcceptedStep> for Last {
    fn observe(&mut self, step: &AcceptedStep) -> Result<ControlFlow<()>> {
        self.0 = step.t;
        Ok(ControlFlow::Break(()))
    }
}

/// `f(x) = a x`.
struct Stretch(f64);

impl Field for Stretch {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x * self.0)?)
    }
}

impl Jvp for Stretch {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, (dx * self.0)?))
    }
}

/// The divergence of a field that is known to stretch.
#[derive(Debug, Clone, Copy)]
struct Known(f64);

impl Divergence for Known {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        let divergence = x.ones_like()?.sum(1)?;
        Ok(WithDivergence::new(field.at(t, x)?, (divergence * self.0)?))
    }
}

#[test]
fn an_adjoint_and_a_divergence_carry_a_flow() {
    let flow = Arc::new(Flow::new(Stretch(0.5), Known(0.5)));
    let x = Var::from_tensor(&one()).unwrap();
    let moved = flow.transport_by(&OnlyTheEnd, &[], &x, 0.0, 1.0).unwrap();
    assert!((number(&moved.x) - 0.5f64.exp()).abs() < 1e-6);
    assert!((number(&moved.log_density_change) + 0.5).abs() < 1e-12);
    assert_eq!(moved.statistics.accepted, 1);
    let gradients = moved.x.backward().unwrap();
    assert!((number(gradients.get(&x).unwrap()) - 0.5f64.exp()).abs() < 1e-6);
    let mut last = Last::default();
    let field = Arc::new(Stretch(0.5));
    let halted = OnlyTheEnd
        .solve_observed(&field, &[], &one(), &[0.0, 2.0], &mut last)
        .unwrap();
    assert_eq!((halted.status, last.0), (Status::Halted, 2.0));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9).unwrap());
    let by_solver = flow.transport(&solver, &one(), 0.0, 1.0).unwrap();
    assert!((number(&by_solver.log_density_change) + 0.5).abs() < 1e-9);
}
