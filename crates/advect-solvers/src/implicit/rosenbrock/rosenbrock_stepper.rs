//! One step of any Rosenbrock method.

use advect_core::{Field, Result};

use super::Rosenbrock;
use crate::Interval;
use crate::implicit::equations::Equations;
use crate::implicit::kept::Kept;
use crate::implicit::{Coordinates, Jacobian};
use crate::stepper::{Embedded, Memory, Method, Step, Stepper, Unsolved};

/// A stepper by a [`Rosenbrock`] method, with Jacobians from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RosenbrockStepper<M, J> {
    method: M,
    jacobian: J,
}

impl<M, J> RosenbrockStepper<M, J> {
    /// Creates a stepper by a method with a source of Jacobians.
    pub fn new(method: M, jacobian: J) -> Self {
        RosenbrockStepper { method, jacobian }
    }
}

impl<M: Rosenbrock, J> Method for RosenbrockStepper<M, J> {
    fn order(&self) -> f64 {
        M::COEFFICIENTS.order as f64
    }
}

impl<M: Rosenbrock, J: Jacobian<X>, X: Coordinates> Embedded<X> for RosenbrockStepper<M, J> {
    fn error_order(&self) -> f64 {
        M::COEFFICIENTS.embedded_order as f64
    }
}

impl<M: Rosenbrock, J: Jacobian<X>, X: Coordinates> Stepper<X> for RosenbrockStepper<M, J> {
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        self.step_with(&mut Memory::default(), field, interval, x, slope)
    }

    fn step_with(
        &self,
        memory: &mut Memory,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let tableau = const {
            M::COEFFICIENTS.check();
            &M::COEFFICIENTS
        };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => field.at(&interval.time(0.0)?, x)?,
        };
        first.alike("field", "x", x)?;
        let mut tracked = x.is_tracked() || first.is_tracked();
        let tolerances = memory.tolerances();
        let equations = Equations::new(field, interval, (x, &first), tolerances)?;
        Kept::renew(memory, &equations, &self.jacobian)?;
        Kept::factorize(memory, &equations, (&[tableau.gamma], None));
        let kept = &memory.of::<Kept>().samples;
        let lost = kept
            .iter()
            .enumerate()
            .filter(|(_, sample)| sample.factors.is_none());
        let lost = lost.map(|(i, sample)| Unsolved::new(i, sample.without_factors()));
        let unsolved: Vec<Unsolved> = lost.collect();
        if !unsolved.is_empty() && matches!(interval, Interval::Shared { .. }) {
            let mut step = Step::new(x.clone(), first);
            step.unsolved = unsolved;
            return Ok(step);
        }

        let by_time = equations.by_time()?;
        let h = |e: usize| equations.sizes[e / equations.width];
        let mut stages: Vec<Vec<f64>> = Vec::with_capacity(tableau.m.len());
        for (i, row) in tableau.a.iter().enumerate() {
            let value = match i {
                0 => equations.slope_numbers.clone(),
                _ => {
                    let state = x.with_numbers(sum(&equations.x_numbers, row, &stages))?;
                    let value = field.at(&interval.time(tableau.alpha[i])?, &state)?;
                    value.alike("field", "x", x)?;
                    tracked |= value.is_tracked();
                    value.to_numbers()?
                }
            };
            let before = sum(&vec![0.0; value.len()], tableau.c[i], &stages);
            // h γ (f + Σ_j c_ij / h u_j + h γ_i ∂f/∂t)
            let right = |(e, value): (usize, f64)| {
                let drift = h(e) * tableau.gammas[i] * by_time[e];
                tableau.gamma * (h(e) * (value + drift) + before[e])
            };
            let mut stage: Vec<f64> = value.into_iter().enumerate().map(right).collect();
            for (sample, numbers) in kept.iter().zip(stage.chunks_exact_mut(equations.width)) {
                if let Some(factors) = &sample.factors {
                    factors.solve(numbers);
                }
            }
            stages.push(stage);
        }
        let end = x.with_numbers(sum(&equations.x_numbers, tableau.m, &stages))?;
        let error = sum(&vec![0.0; equations.x_numbers.len()], tableau.e, &stages);
        let mut step = Step::new(
            if tracked {
                end.without_derivatives(REASON)?
            } else {
                end
            },
            first,
        );
        step.error = Some(x.with_numbers(error)?);
        step.unsolved = unsolved;
        Ok(step)
    }

    fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
        Ok(self.step(field, interval, x, None)?.solved()?.x)
    }
}

const REASON: &str = "a Rosenbrock method's steps have no gradient, as it would need derivatives of the Jacobian; use an implicit \
                      Runge–Kutta method, or Backsolve";

/// `start + Σ_j w_j u_j`
fn sum(start: &[f64], weights: &[f64], stages: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = start.to_vec();
    for (weight, stage) in weights.iter().zip(stages) {
        sum.iter_mut()
            .zip(stage)
            .for_each(|(sum, u)| *sum += weight * u);
    }
    sum
}
