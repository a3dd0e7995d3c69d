//! The methods of Adams, Bashforth and Moulton with steps and orders as the error allows (Shampine and Gordon, Computer
//! Solution of Ordinary Differential Equations, 1975, chapters 5 to 7; Hairer, Nørsett and Wanner, Solving Ordinary
//! Differential Equations I, 2nd ed., sections III.5 and III.7).

use advect_core::{Error, Field, Result};

use super::lagrange::{last_weights, weights};
use super::past::apart;
use super::{Embedded, Memory, Method, Outlook, Remembered, Step, Stepper};
use crate::controller::{Norm, Tolerances};
use crate::{Interval, State};

/// The highest order.
const HIGHEST: usize = 13;
/// For errors that are compared with each other only.
const UNSCALED: Tolerances = Tolerances {
    rtol: 0.0,
    atol: 1.0,
    norm: Norm::Rms,
};
/// So many rejected tries of one step make its past worthless.
const HOPELESS: usize = 3;

/// The predictor–corrector method of Adams, Bashforth and Moulton whose order follows the error, from 2 to 13: two
/// evaluations per step, and one for each more try of it.
///
/// At order p, the polynomial through the last `p − 1` slopes is integrated to the end of the step; the slope is evaluated
/// there, and the polynomial through it and the others is integrated again. The next step begins with the slope at the new
/// state. The error estimate is the difference between the correctors of the orders p and `p − 1`, and the more exact one is
/// taken. The polynomials' nodes are the times of the steps, whatever their sizes.
///
/// An integration begins at order 2, by itself, and so it does after a jump, and after an event that changes the state. The
/// order grows with each step until a lower one has no larger error; from then on it goes down or up by one where the errors of
/// the neighbouring orders say so, up only after steps of one size. [`Adaptive`](crate::controller::Adaptive) keeps steps of one size
/// as long as that serves.
///
/// States within a step are integrals of the corrector's polynomial: dense output has the order of the step and costs no
/// evaluation. Steps of [`Fixed`](crate::controller::Fixed) size are possible, with an error that the first of them make; use
/// [`Adams`](super::Adams) for these.
///
/// It repays where the field is costly and smooth, at tolerances of 1e-6 or less. At equal errors it needs 0.70 times the evaluations
/// of VODE's Adams method, on the geometric mean over the problems of DETEST. An abrupt change, such as a close passage of two bodies,
/// is seen a little late: on the orbit D5 of DETEST no step errs by more than 10 tolerances, and the end of 20 units of time is off by
/// 988 tolerances at 1e-3, 3,165 at 1e-4 and 798 at 1e-6, where VODE's is by 738, 1,154 and 453.
/// [`Dopri8`](super::Dopri8) is the method for these.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Save, Solver, controller::Adaptive, stepper::{AdaptiveAdams, Dopri8}};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let turn = field_fn(|_, x: &Tensor| {
///     Ok(Tensor::cat(&[x.narrow(0, 1, 1)?, x.narrow(0, 0, 1)?.neg()?], 0)?)
/// });
/// let x = Tensor::new(&[0f64, 1.0], &Device::Cpu)?;
/// let adaptive = Adaptive::new(1e-9, 1e-9)?;
/// let solver = Solver::new(AdaptiveAdams::new(), adaptive);
/// let solution = solver.integration(&turn, &x, 0.0, 20.0).save(Save::Dense).run()?;
/// for t in [0.1, 7.0, 20.0f64] {
///     assert!((solution.at(t)?.to_vec1::<f64>()?[0] - t.sin()).abs() < 1e-7);
/// }
/// let dopri = Solver::new(Dopri8, adaptive).solve(&turn, &x, 0.0, 20.0)?;
/// assert!(solution.statistics.evaluations < dopri.statistics.evaluations);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "multistep")]
#[doc(alias = "variable order")]
#[doc(alias = "Adams–Bashforth–Moulton")]
#[doc(alias = "Shampine–Gordon")]
#[doc(alias = "LSODA")]
#[doc(alias = "VODE")]
#[doc(alias = "VCABM")]
#[doc(alias = "ode113")]
pub struct AdaptiveAdams {
    highest: usize,
}

impl Default for AdaptiveAdams {
    fn default() -> Self {
        AdaptiveAdams::new()
    }
}

impl AdaptiveAdams {
    /// Creates the method of all orders.
    pub const fn new() -> Self {
        AdaptiveAdams { highest: HIGHEST }
    }

    /// Creates the method of orders up to this one.
    ///
    /// # Errors
    /// [`Error::Range`] for an order below 2 or above 13.
    pub fn up_to(order: usize) -> Result<Self> {
        match order {
            2..=HIGHEST => Ok(AdaptiveAdams { highest: order }),
            _ => Err(Error::range("order", order, "an order from 2 to 13")),
        }
    }
}

/// The order of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plan {
    /// How many slopes are extrapolated: the order of the error estimate.
    slopes: usize,
    /// Whether the order grows with each step.
    climbs: bool,
}

/// The steps before the one under way, and its tries.
#[derive(Debug)]
struct Past<X> {
    /// The times and slopes at the starts of the steps, the latest first.
    starts: Vec<(f64, X)>,
    /// Where the step under way begins.
    from: Option<f64>,
    plan: Plan,
    /// Where its tries ended, and the plan for a step that follows on each.
    tries: Vec<(f64, Plan)>,
    rejections: usize,
}

impl<X> Default for Past<X> {
    fn default() -> Self {
        Past {
            starts: Vec::new(),
            from: None,
            plan: Plan {
                slopes: 1,
                climbs: true,
            },
            tries: Vec::new(),
            rejections: 0,
        }
    }
}

impl<X: State + 'static> Remembered for Past<X> {
    /// Begins anew: the slopes are those of the whole batch.
    fn gather(&mut self, _: &[u32]) {
        *self = Past::default();
    }
}

impl<X> Past<X> {
    /// Makes the plan of a try from a time, after so many rejected ones.
    fn enter(&mut self, start: f64, rejections: usize) {
        if self.from != Some(start) {
            let followed = self.tries.iter().rev().find(|(end, _)| *end == start);
            self.plan = followed.map_or(self.plan, |(_, plan)| *plan);
            self.tries.clear();
            (self.from, self.rejections) = (Some(start), 0);
        } else if rejections > self.rejections {
            let wanted = self.tries.last().map_or(1, |(_, plan)| plan.slopes);
            let slopes = match rejections {
                ..HOPELESS => wanted.min(self.plan.slopes),
                _ => 1,
            };
            let climbs = false;
            (self.plan, self.rejections) = (Plan { slopes, climbs }, rejections);
        }
        self.starts.retain(|(t, _)| *t != start);
    }
}

/// The errors of a step by neighbouring orders, as they would be in steps of that order: functions of how many slopes are
/// extrapolated.
struct Errors<'a, X> {
    interval: &'a Interval,
    /// The places of the slopes in steps from the start: 1, 0, and those of the past.
    nodes: &'a [f64],
    slopes: &'a [X],
    /// The states at the ends of the step.
    ends: (&'a X, &'a X),
    /// Without them, errors are compared with each other only.
    tolerances: Option<Tolerances>,
}

impl<X: State> Errors<'_, X> {
    /// Whether there are enough slopes to know an error, from steps of one size: others let a high order look better than it
    /// is.
    fn knows(&self, slopes: usize) -> bool {
        let nodes = self.nodes.get(..=slopes);
        let even = |pair: &[f64]| (pair[0] - pair[1] - 1.0).abs() < 1e-6;
        nodes.is_some_and(|nodes| nodes.windows(2).all(even))
    }

    fn error(&self, slopes: usize) -> Result<X> {
        let weights = last_weights(&self.nodes[..=slopes]);
        X::combine_stages(self.interval, &weights, &self.slopes[..=slopes], None)
    }

    fn size(&self, error: &X) -> Result<f64> {
        let (x, y) = self.ends;
        self.tolerances.unwrap_or(UNSCALED).ratio(error, x, y)
    }

    /// Chooses the order of the next step, by the rules of Shampine and Gordon, and tells of its error.
    fn outlook(&self, plan: Plan, own: &X, highest: usize) -> Result<(Plan, Outlook<X>)> {
        let slopes = plan.slopes;
        let told = |slopes: usize, error: X, climbs: bool| {
            (Plan { slopes, climbs }, Outlook::new(error, slopes as f64))
        };
        let size = self.size(own)?;
        let mut lower = None;
        if slopes > 1 {
            let error = self.error(slopes - 1)?;
            let below = self.size(&error)?;
            let lowers = match slopes {
                2 => below <= 0.5 * size,
                _ => below.max(self.size(&self.error(slopes - 2)?)?) <= size,
            };
            if lowers {
                return Ok(told(slopes - 1, error, false));
            }
            lower = Some((below, error));
        }
        let accepted = self.tolerances.is_none() || size <= 1.0;
        if slopes == highest || !accepted {
            return Ok(told(slopes, own.clone(), plan.climbs));
        }
        if plan.climbs {
            // The error of the next order is not known yet; this one is no smaller.
            return Ok(told(slopes + 1, own.clone(), true));
        }
        if self.knows(slopes + 1) {
            let error = self.error(slopes + 1)?;
            let above = self.size(&error)?;
            match lower {
                Some((below, error)) if below <= size.min(above) => {
                    return Ok(told(slopes - 1, error, false));
                }
                Some(_) if above < size => return Ok(told(slopes + 1, error, false)),
                None if above < 0.5 * size => return Ok(told(slopes + 1, error, false)),
                _ => {}
            }
        }
        Ok(told(slopes, own.clone(), false))
    }
}

impl AdaptiveAdams {
    /// A step after those of the past.
    fn multistep<X: State>(
        &self,
        past: &mut Past<X>,
        tolerances: Option<Tolerances>,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let evaluate = |place: f64, x: &X| -> Result<X> {
            let slope = field.at(&interval.time(place)?, x)?;
            slope.alike("field", "x", x)?;
            Ok(slope)
        };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => evaluate(0.0, x)?,
        };
        let (mut nodes, mut slopes) = (vec![1.0, 0.0], vec![first.clone()]);
        if let &Interval::Shared { start, end } = interval {
            for (node, slope) in apart(&past.starts, (start, end)) {
                nodes.push(node);
                slopes.push(slope.clone());
            }
        }
        let taken = past.plan.slopes.min(slopes.len());
        let plan = Plan {
            slopes: taken,
            ..past.plan
        };
        let predictor = weights(&nodes[1..=taken], 1.0);
        let predicted = X::combine_stages(interval, &predictor, &slopes[..taken], Some(x))?;
        slopes.insert(0, evaluate(1.0, &predicted)?);
        let corrector = weights(&nodes[..=taken], 1.0);
        let corrected = X::combine_stages(interval, &corrector, &slopes[..=taken], Some(x))?;
        let errors = Errors {
            interval,
            nodes: &nodes,
            slopes: &slopes,
            ends: (x, &corrected),
            tolerances,
        };
        let error = errors.error(taken)?;
        let (next, outlook) = errors.outlook(plan, &error, self.highest - 1)?;
        if let &Interval::Shared { start, end } = interval {
            past.tries.push((end, next));
            past.starts.insert(0, (start, first));
            past.starts.truncate(self.highest);
        }
        // From the start on, as the slopes of every step.
        nodes.truncate(taken + 1);
        slopes.truncate(taken + 1);
        nodes.rotate_left(1);
        slopes.rotate_left(1);
        Ok(Step {
            x: corrected,
            error: Some(error),
            slopes,
            last_slope: None,
            unsolved: Vec::new(),
            nodes,
            outlook: Some(outlook),
        })
    }
}

impl Method for AdaptiveAdams {
    /// The highest order.
    fn order(&self) -> f64 {
        self.highest as f64
    }

    fn is_continuous(&self) -> bool {
        true
    }
}

impl<X: State + 'static> Stepper<X> for AdaptiveAdams {
    /// A step without earlier ones.
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        self.multistep(&mut Past::default(), None, field, interval, x, slope)
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
        let &Interval::Shared { start, .. } = interval else {
            return self.step(field, interval, x, slope);
        };
        let (rejections, tolerances) = (memory.rejections(), memory.tolerances());
        let past = memory.of::<Past<X>>();
        past.enter(start, rejections);
        self.multistep(past, tolerances, field, interval, x, slope)
    }
}

impl<X: State + 'static> Embedded<X> for AdaptiveAdams {
    fn error_order(&self) -> f64 {
        1.0
    }
}
