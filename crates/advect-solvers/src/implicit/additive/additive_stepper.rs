//! One step of any additive Runge–Kutta method.

use advect_core::{Coefficient, Error, Field, Result};

use super::{AdditiveRungeKutta, fit_each_other};
use crate::implicit::attempt::{Attempt, Known};
use crate::implicit::equations::Equations;
use crate::implicit::guess::guess;
use crate::implicit::{Coordinates, Jacobian};
use crate::stepper::{Embedded, Memory, Method, Step, Stepper, combination, weighted};
use crate::{Interval, Tableau};

/// A stepper by an additive Runge–Kutta method, for fields with a stiff part. [`AdditiveRungeKutta::with_stiff`] makes one.
///
/// Evaluations of the stiff part alone are not counted among those of the integration, whose
/// [jumps](crate::Integration::jumps) don't reach them: in a step that begins or ends at a jump, a stiff part that jumps there
/// may have the value of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdditiveStepper<M, G, J> {
    method: M,
    stiff: G,
    jacobian: J,
}

impl<M, G, J> AdditiveStepper<M, G, J> {
    /// Creates a stepper by a method, with the stiff part of the field and a source of its Jacobians.
    pub fn new(method: M, stiff: G, jacobian: J) -> Self {
        AdditiveStepper {
            method,
            stiff,
            jacobian,
        }
    }

    /// Sets the source of the stiff part's Jacobians.
    pub fn with_jacobian<K>(self, jacobian: K) -> AdditiveStepper<M, G, K> {
        AdditiveStepper::new(self.method, self.stiff, jacobian)
    }
}

impl<M: AdditiveRungeKutta, G, J> Method for AdditiveStepper<M, G, J> {
    fn order(&self) -> f64 {
        M::IMPLICIT.order() as f64
    }

    fn tableau(&self) -> Option<&'static Tableau> {
        const { fit_each_other(&M::EXPLICIT, &M::IMPLICIT) };
        Some(const { &M::IMPLICIT })
    }
}

impl<M, G, J, X> Embedded<X> for AdditiveStepper<M, G, J>
where
    M: AdditiveRungeKutta,
    G: Field<X>,
    J: Jacobian<X>,
    X: Coordinates,
{
    fn error_order(&self) -> f64 {
        const {
            assert!(
                M::IMPLICIT.error_weights().is_some(),
                "expected error weights"
            )
        };
        M::IMPLICIT.error_order() as f64
    }
}

impl<M, G, J, X> Stepper<X> for AdditiveStepper<M, G, J>
where
    M: AdditiveRungeKutta,
    G: Field<X>,
    J: Jacobian<X>,
    X: Coordinates,
{
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
        let tableau = const { &M::IMPLICIT };
        let evaluate = |field: &dyn Field<X>, c: f64, x: &X| {
            let slope = field.at(&interval.time(c)?, x)?;
            slope.alike("field", "x", x)?;
            Ok::<X, Error>(slope)
        };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => evaluate(field, 0.0, x)?,
        };
        let of_stiff = evaluate(&self.stiff, 0.0, x)?;
        let tolerances = memory.tolerances();
        let ends = (x, &of_stiff);
        let equations = Equations::new(&self.stiff, interval, ends, tolerances)?;
        let mut attempt = Attempt::begin(memory, &equations, tableau, &self.jacobian, None)?;
        let mut numbers = vec![equations.slope_numbers.clone()];
        // f and g at the stages.
        let (mut slopes, mut stiff) = (vec![first.clone()], vec![of_stiff.clone()]);
        while slopes.len() < tableau.stages() {
            let i = slopes.len();
            // x + h Σ_j a_ij (f_j − g_j) + h Σ_j ã_ij g_j
            let state = |own: Option<&X>| {
                let (explicit, implicit) = (M::EXPLICIT.matrix()[i], tableau.matrix()[i]);
                let of_f = explicit.iter().zip(&slopes).map(|(a, f)| (*a, f));
                let pairs = implicit.iter().zip(explicit).zip(&stiff);
                let of_g = pairs.map(|((implicit, explicit), g)| (implicit - explicit, g));
                let of_own = own.map(|g| (implicit[i], g));
                let used = of_f
                    .chain(of_g)
                    .chain(of_own)
                    .filter(|(weight, _)| *weight != 0.0);
                let mut terms: Vec<_> = used.map(|(w, k)| (interval.factor(w), k)).collect();
                terms.push((Coefficient::Shared(1.0), x));
                X::combine(&terms)
            };
            let known = state(None)?;
            let range = i..i + 1;
            let known = Known {
                states: vec![known.to_numbers()?],
                guess: guess(&equations, tableau.nodes(), &range, &numbers, None),
                tracked: known.is_tracked(),
            };
            let in_graph = |solved: &[X]| Ok(vec![state(solved.first())?]);
            let Some(solved) = attempt.solve(&range, known, in_graph)? else {
                let mut step = Step::new(x.clone(), first.clone());
                step.unsolved = attempt.unsolved();
                return Ok(step);
            };
            let slope = |own: &X| {
                let at = state(Some(own))?;
                // As solved for: g itself would enlarge by its rates what the iteration left over.
                X::combine(&[
                    (
                        Coefficient::Shared(1.0),
                        &evaluate(field, tableau.nodes()[i], &at)?,
                    ),
                    (
                        Coefficient::Shared(-1.0),
                        &evaluate(&self.stiff, tableau.nodes()[i], &at)?,
                    ),
                    (Coefficient::Shared(1.0), own),
                ])
            };
            let found = solved
                .slopes
                .iter()
                .map(slope)
                .collect::<Result<Vec<X>>>()?;
            slopes.extend(found);
            stiff.extend(solved.slopes);
            numbers.extend(solved.numbers);
        }
        let error = match tableau.error_weights() {
            Some(weights) => combination(interval, weights, &slopes)?,
            None => None,
        };
        Ok(Step {
            x: weighted(interval, tableau.weights(), &slopes, x)?,
            error,
            last_slope: None,
            slopes,
            unsolved: attempt.finish(numbers),
            nodes: Vec::new(),
            outlook: None,
        })
    }

    fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
        Ok(self.step(field, interval, x, None)?.solved()?.x)
    }
}
