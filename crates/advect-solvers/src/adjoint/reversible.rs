//! The exact gradient of the reversible Heun method, which undoes its steps in the backward pass.

use std::sync::Arc;

use advect_core::{Coefficient, Field, Observer, Result, Time, field_fn, observer_fn};
use advect_ops::{with_gradient, without_graph};
use candle_core::Tensor;

use super::traced::Traced;
use super::vjp::{add, complete, pull_back};
use super::{Adjoint, Record, check_parameters, check_times};
use crate::controller::Controller;
use crate::jumps::Jumps;
use crate::reversible::{Doubled, ReversibleHeun};
use crate::{AcceptedStep, Event, Interval, Occurrence, Save, Solution, Solver, State, Statistics};

/// The exact gradient of a numerical solution by [`ReversibleHeun`], in the memory of one step (Kidger, Foster, Li and Lyons
/// 2021, algorithm 2, without noise).
///
/// Forwards no graph is built, and of the steps only the times are kept. Backwards each step is undone by algebra, and the
/// gradient is pulled back on the way: n steps take n + 1 evaluations, each with one vector–Jacobian product. The gradient is
/// that of [`Unrolled`](super::Unrolled) steps of this method, up to rounding.
///
/// ```
/// use std::sync::Arc;
/// use advect_core::field_fn;
/// use advect_solvers::adjoint::{Adjoint, Reversible};
/// use advect_solvers::controller::Fixed;
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let decay = Arc::new(field_fn(|_, x: &Tensor| Ok(x.neg()?)));
/// let x0 = Var::new(&[1f64], &Device::Cpu)?;
/// let adjoint = Reversible::new(Fixed::steps(2000)?);
/// let end = adjoint.solve(&decay, &[], &x0, &[0.0, 1.0])?.end()?;
/// let gradient = end.sum_all()?.backward()?.get(&x0).unwrap().to_vec1::<f64>()?;
/// assert!((gradient[0] - (-1f64).exp()).abs() < 1e-6);
/// assert_eq!(adjoint.backward_statistics().vjps, 2001);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ReversibleAdjoint")]
#[doc(alias = "invertible")]
pub struct Reversible<C> {
    controller: C,
    jumps: Jumps,
    record: Record,
}

impl<C> Reversible<C> {
    /// Creates an adjoint of the reversible Heun method, with steps chosen by a controller.
    pub fn new(controller: C) -> Self {
        Reversible {
            controller,
            jumps: Jumps::default(),
            record: Record::default(),
        }
    }

    /// Sets the times at which the field jumps, as [`Integration::jumps`](crate::Integration::jumps). Those outside of
    /// a solution's span play no part in it. Each costs one more evaluation in the backward pass.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for times that are not finite.
    pub fn jumps(self, times: &[f64]) -> Result<Self> {
        let jumps = Jumps::new(times)?;
        Ok(Reversible { jumps, ..self })
    }

    /// Returns the cost of the last backward pass: steps undone as `accepted`, and evaluations pulled back as `vjps`.
    pub fn backward_statistics(&self) -> Statistics {
        self.record.get()
    }
}

impl<C: Controller<ReversibleHeun, (Tensor, Tensor)> + Clone> Adjoint for Reversible<C> {
    fn solve_observed<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        self.run(field, parameters, x0, times, None, observer)
    }

    fn solve_to_event<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        span: [f64; 2],
        event: &Event,
    ) -> Result<Solution> {
        self.run(field, parameters, x0, &span, Some(event), &mut ())
    }
}

impl<C: Controller<ReversibleHeun, (Tensor, Tensor)> + Clone> Reversible<C> {
    /// Integrates, to an event if there is one.
    fn run<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        event: Option<&Event>,
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        check_times(times)?;
        check_parameters(parameters)?;
        let plain = Doubled(field_fn(|t, x| Ok(field.at(t, x)?.detach())));
        let start = (x0.detach(), x0.detach());
        let mut steps = Vec::new();
        let tell = observer_fn(|step: &AcceptedStep<(Tensor, Tensor)>| {
            steps.push((step.start, step.t));
            let (x, _) = &step.x;
            observer.observe(&AcceptedStep::new(
                step.start,
                step.t,
                x.clone(),
                step.statistics,
            ))
        });
        let solver = Solver::new(ReversibleHeun, self.controller.clone());
        let event = event.map(Event::of_first);
        let integration = (solver.integration(&plain, &start, times[0], times[times.len() - 1]))
            .save(Save::At(times.to_vec()))
            .jumping(self.jumps.clone())
            .until_any(event.as_ref())
            .observe(tell)
            .detached();
        let pairs = without_graph(|| integration.run())?;

        let ends = |t: &f64| steps.iter().position(|(_, end)| end == t).map(|i| i + 1);
        // How many steps lie before each saved state; the last that was reached may not be one.
        let mut reached: Vec<usize> = (pairs.times.iter()).map(|t| ends(t).unwrap_or(0)).collect();
        reached.push(steps.len());
        let mut states: Vec<&Tensor> = pairs.states.iter().map(|(x, _)| x).collect();
        states.push(&pairs.last_state.0);
        let states = Tensor::stack(&states, 0)?;

        let mut inputs = vec![x0.clone()];
        inputs.extend_from_slice(parameters);
        let walk = Walk {
            field: field.clone(),
            parameters: parameters.to_vec(),
            steps,
            reached,
            last: pairs.last_state.clone(),
            jumps: self.jumps.clone(),
            record: self.record.clone(),
        };
        let count = pairs.states.len();
        let states = with_gradient(&states, &inputs, move |g, _| walk.backwards(g))?;
        let mut solution = Solution::new(pairs.status, pairs.last_time, states.get(count)?);
        solution.states = (0..count)
            .map(|i| states.get(i))
            .collect::<Result<_, _>>()?;
        solution.times = pairs.times;
        solution.statistics = pairs.statistics;
        solution.failed_sample = pairs.failed_sample;
        solution.rejected_size = pairs.rejected_size;
        let alone = |at: Occurrence<(Tensor, Tensor)>| Occurrence::new(at.event, at.t, at.x.0);
        solution.events = pairs.events.into_iter().map(alone).collect();
        Ok(solution)
    }
}

/// The record of the forward pass that the backward pass needs.
struct Walk<F: ?Sized> {
    field: Arc<F>,
    parameters: Vec<Tensor>,
    /// Where each step started and ended.
    steps: Vec<(f64, f64)>,
    reached: Vec<usize>,
    /// The last pair.
    last: (Tensor, Tensor),
    jumps: Jumps,
    record: Record,
}

fn sum(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let terms: Vec<_> = (terms.iter().map(|(c, x)| (Coefficient::Shared(*c), *x))).collect();
    Tensor::combine(&terms)
}

impl<F: Field + ?Sized> Walk<F> {
    /// The gradients of the initial state and the parameters, from those of the states.
    ///
    /// With a and b the gradients by x and y after a step, and `b' = b + ∂f/∂y(t + h, y')ᵀ a h/2`, those before it are
    /// `a + 2 b'` and `−b' + ∂f/∂y(t, y)ᵀ (h b' + h/2 a)`. Both products at one y are taken together, from the slope's
    /// gradient. At a jump they are those of two slopes, one on each side.
    fn backwards(&self, gradients: &Tensor) -> Result<Vec<Tensor>> {
        if self.steps.is_empty() {
            let mut all = vec![gradients.sum(0)?];
            for parameter in &self.parameters {
                all.push(parameter.detach().zeros_like()?);
            }
            return Ok(all);
        }
        let traced = Traced::new(&*self.field);
        let mut sums = vec![None; self.parameters.len()];
        let mut statistics = Statistics::default();
        let (mut x, mut y) = self.last.clone();
        let zero = x.zeros_like()?;
        let (mut a, mut b) = (zero.clone(), zero.clone());
        // The slope's gradient as that of the step from here, and the slope at the end of that step.
        let (mut of_slope, mut after): (Tensor, Option<Tensor>) = (zero, None);
        for i in (0..=self.steps.len()).rev() {
            for (k, _) in (self.reached.iter().enumerate()).filter(|(_, at)| **at == i) {
                a = (a + gradients.get(k)?)?;
            }
            let (into, onwards) = (i.checked_sub(1).map(|k| self.steps[k]), self.steps.get(i));
            let size = into.map_or(0.0, |(start, end)| end - start);
            let mut pull = |here: f64, step: (f64, f64), cotangent: &Tensor| -> Result<_> {
                let (start, end) = step;
                let field = self.jumps.within(&traced, &Interval::Shared { start, end });
                let at = Time::Shared(here);
                let pulled = pull_back(|y| field.at(&at, y), &y, cotangent, &self.parameters)?;
                traced.settle()?;
                statistics.vjps += 1;
                for (sum, gradient) in sums.iter_mut().zip(pulled.parameters) {
                    add(sum, gradient)?;
                }
                Ok((pulled.value, pulled.state))
            };
            // The slopes at the end of the step into here and at the start of the one onwards.
            let (ending, starting, through) = match (into, onwards) {
                (Some(into), Some(&onwards)) if self.jumps.contains(into.1) => {
                    let (starting, mut through) = pull(into.1, onwards, &of_slope)?;
                    let of_end = sum(&[(0.5 * size, &a)])?;
                    let (ending, also) = pull(into.1, into, &of_end)?;
                    add(&mut through, also)?;
                    (ending, starting, through)
                }
                (Some(step), _) | (None, Some(&step)) => {
                    let here = into.map_or(step.0, |(_, end)| end);
                    let both = sum(&[(1.0, &of_slope), (0.5 * size, &a)])?;
                    let (slope, through) = pull(here, step, &both)?;
                    (slope.clone(), slope, through)
                }
                (None, None) => break,
            };
            if let (Some(after), Some((start, end))) = (&after, onwards) {
                // The rest of the step that is undone, from here to where `after` was.
                let h = end - start;
                x = sum(&[(-0.5 * h, &starting), (-0.5 * h, after), (1.0, &x)])?;
                statistics.accepted += 1;
            }
            b = match through {
                Some(through) => (through - &b)?,
                None => b.neg()?,
            };
            if i > 0 {
                of_slope = sum(&[(size, &b), (0.5 * size, &a)])?;
                a = sum(&[(2.0, &b), (1.0, &a)])?;
                y = sum(&[(-size, &ending), (-1.0, &y), (2.0, &x)])?;
                after = Some(ending);
            }
        }
        self.record.set(statistics);
        let mut all = vec![(a + b)?];
        all.extend(complete(sums, &self.parameters)?);
        Ok(all)
    }
}
