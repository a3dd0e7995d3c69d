//! One step of any implicit Runge–Kutta method.

use std::ops::Range;

use advect_core::{Coefficient, Field, Result};

use super::attempt::{Attempt, Known};
use super::equations::Equations;
use super::guess::guess;
use super::{Coordinates, EmbeddedImplicit, ImplicitRungeKutta, Jacobian};
use crate::stepper::{Embedded, Memory, Method, Step, Stepper, combination, weighted};
use crate::{Interval, Tableau};

/// A stepper by an implicit Runge–Kutta method, with Jacobians from a source.
/// [`ImplicitRungeKutta::with_jacobian`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImplicitStepper<M, J> {
    method: M,
    jacobian: J,
}

impl<M, J> ImplicitStepper<M, J> {
    /// Creates a stepper by a method with a source of Jacobians.
    pub fn new(method: M, jacobian: J) -> Self {
        ImplicitStepper { method, jacobian }
    }
}

impl<M: ImplicitRungeKutta, J> Method for ImplicitStepper<M, J> {
    fn order(&self) -> f64 {
        M::TABLEAU.order() as f64
    }

    fn tableau(&self) -> Option<&'static Tableau> {
        Some(const { &M::TABLEAU })
    }
}

impl<M: EmbeddedImplicit, J: Jacobian<X>, X: Coordinates> Embedded<X> for ImplicitStepper<M, J> {
    fn error_order(&self) -> f64 {
        const {
            assert!(
                M::TABLEAU.error_weights().is_some(),
                "expected a tableau with error weights: add them by Tableau::with_error, or don't implement \
                 EmbeddedImplicit"
            );
        }
        M::TABLEAU.error_order() as f64
    }
}

impl<M: ImplicitRungeKutta, J: Jacobian<X>, X: Coordinates> Stepper<X> for ImplicitStepper<M, J> {
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
        let tableau = const { &M::TABLEAU };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => {
                let slope = field.at(&interval.time(0.0)?, x)?;
                slope.alike("field", "x", x)?;
                slope
            }
        };
        let tolerances = memory.tolerances();
        let equations = Equations::new(field, interval, (x, &first), tolerances)?;
        let mut attempt =
            Attempt::begin(memory, &equations, tableau, &self.jacobian, M::ERROR_FILTER)?;
        let mut numbers = vec![equations.slope_numbers.clone()];
        let mut slopes = vec![first.clone()];
        while slopes.len() < tableau.stages() {
            let range = slopes.len()..slopes.len() + attempt.together();
            let known = Known {
                states: known(&equations, tableau, &range, &numbers),
                guess: guess(
                    &equations,
                    tableau.nodes(),
                    &range,
                    &numbers,
                    attempt.past(),
                ),
                tracked: slopes.iter().any(X::is_tracked),
            };
            let in_graph = |solved: &[X]| states(&equations, tableau, &range, &slopes, solved);
            let Some(found) = attempt.solve(&range, known, in_graph)? else {
                let mut step = Step::new(x.clone(), first.clone());
                step.unsolved = attempt.unsolved();
                return Ok(step);
            };
            numbers.extend(found.numbers);
            slopes.extend(found.slopes);
        }

        let error = match tableau.error_weights() {
            Some(weights) => combination(interval, weights, &slopes)?,
            None => None,
        };
        let error = match (error, M::ERROR_FILTER) {
            (Some(error), Some(_)) => Some(attempt.filter(error)?),
            (error, _) => error,
        };
        let unsolved = attempt.finish(numbers);
        Ok(Step {
            x: weighted(interval, tableau.weights(), &slopes, x)?,
            error,
            last_slope: (slopes.last().cloned()).filter(|_| tableau.first_same_as_last()),
            slopes,
            unsolved,
            nodes: Vec::new(),
            outlook: None,
        })
    }

    fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
        Ok(self.step(field, interval, x, None)?.solved()?.x)
    }
}

/// `x + h Σ_j a_ij k_j` over the stages that are known, for some stages.
fn known<X: Coordinates>(
    equations: &Equations<'_, X>,
    tableau: &Tableau,
    stages: &Range<usize>,
    slopes: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let sum = |i: usize| {
        let row = tableau.matrix()[i];
        let element = |(e, x): (usize, &f64)| {
            let terms = row.iter().zip(slopes).map(|(a, k)| a * k[e]);
            x + equations.sizes[e / equations.width] * terms.sum::<f64>()
        };
        equations
            .x_numbers
            .iter()
            .enumerate()
            .map(element)
            .collect()
    };
    stages.clone().map(sum).collect()
}

/// The same states as part of the graph, with the solution's slopes as constants.
fn states<X: Coordinates>(
    equations: &Equations<'_, X>,
    tableau: &Tableau,
    stages: &Range<usize>,
    slopes: &[X],
    solved: &[X],
) -> Result<Vec<X>> {
    let state = |i: usize| {
        let row = tableau.matrix()[i].iter();
        let used = row
            .zip(slopes.iter().chain(solved))
            .filter(|(a, _)| **a != 0.0);
        let mut terms: Vec<_> = used
            .map(|(a, k)| (equations.interval.factor(*a), k))
            .collect();
        terms.push((Coefficient::Shared(1.0), equations.x));
        X::combine(&terms)
    };
    stages.clone().map(state).collect()
}
