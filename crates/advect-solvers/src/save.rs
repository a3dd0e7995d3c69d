//! The states that an integration saves.

use advect_core::{Error, Result};

use crate::clock::unsigned;
use crate::{DenseStep, State};

/// The states that a [`Solution`](crate::Solution) keeps ([`Integration::save`](crate::Integration::save)).
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Save, Solver, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let solver = Solver::new(Rk4, Fixed::steps(10)?);
/// let integration = || solver.integration(&decay, &x, 0.0, 1.0);
/// let count = |save| Ok::<_, advect_core::Error>(integration().save(save).run()?.states.len());
/// assert_eq!(count(Save::End)?, 1);
/// assert_eq!(count(Save::At(vec![0.0, 0.33, 1.0]))?, 3);
/// assert_eq!(count(Save::Interpolated(vec![0.0, 0.33, 1.0]))?, 3);
/// assert_eq!(count(Save::Every(5))?, 3); // steps 0, 5 and 10
///
/// let solution = integration().save(Save::Dense).run()?;
/// let between = solution.at(0.123)?.to_vec1::<f64>()?[0]; // any time
/// assert!((between - (-0.123f64).exp()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[doc(alias = "saveat")]
#[doc(alias = "t_eval")]
pub enum Save {
    /// The last state only.
    #[default]
    End,
    /// The states at these times, strictly monotone from start to end. Steps are cut to end exactly
    /// there, so that no interpolation error is added.
    At(Vec<f64>),
    /// The states at these times, interpolated within the steps, whose sizes don't depend on the times. Only for methods
    /// with states within their steps ([`Method::is_continuous`](crate::stepper::Method::is_continuous)). A stochastic equation's solution between two steps is not
    /// a function of them, so use [`Save::At`], which asks the Brownian path.
    Interpolated(Vec<f64>),
    /// The first state, the state after every n-th accepted step, and the last one.
    Every(usize),
    /// All steps, so that [`Solution::at`](crate::Solution::at) returns the state at any time. The saved states are
    /// the first and the last one. Only for methods with states within their steps, too.
    #[doc(alias = "dense output")]
    Dense,
}

impl Save {
    /// Checks the settings against a span of time.
    pub(crate) fn check(&self, start: f64, end: f64) -> Result<()> {
        match self {
            Save::End | Save::Dense => Ok(()),
            Save::Every(0) => Err(Error::range(
                "save",
                "every 0 steps",
                "a count of at least 1",
            )),
            Save::Every(_) => Ok(()),
            Save::At(times) | Save::Interpolated(times) => {
                let (low, high) = (start.min(end), start.max(end));
                let inside = |t: &f64| low <= *t && *t <= high;
                let ordered = times.windows(2).all(|w| match start < end {
                    true => w[0] < w[1],
                    false => w[0] > w[1],
                });
                if times.iter().all(inside) && ordered {
                    return Ok(());
                }
                let accepted = format!("a list of times strictly monotone within {start}..{end}");
                Err(Error::range("save", format!("{times:?}"), accepted))
            }
        }
    }
}

impl Save {
    /// Checks that no state between the steps is asked of a method that has none there. One at the end of a step that goes
    /// beyond the end is such a state.
    pub(crate) fn check_without_interpolant(&self, oversteps: bool) -> Result<()> {
        let (argument, given, accepted) = match self {
            _ if oversteps => (
                "controller",
                "one that oversteps".into(),
                "one that ends at the end",
            ),
            Save::Interpolated(_) | Save::Dense => ("save", format!("{self:?}"), "Save::At"),
            _ => return Ok(()),
        };
        let accepted = format!("{accepted}, with a method that has no states between its steps");
        Err(Error::range(argument, given, accepted))
    }
}

/// The states that an integration has saved so far.
#[derive(Debug)]
pub(crate) struct Recorder<'a, X> {
    save: &'a Save,
    count: usize,
    /// 1 forwards in time, −1 backwards.
    direction: f64,
    pub(crate) times: Vec<f64>,
    pub(crate) states: Vec<X>,
    pub(crate) steps: Vec<DenseStep<X>>,
}

impl<'a, X: State> Recorder<'a, X> {
    /// Begins with the initial state.
    pub(crate) fn new(save: &'a Save, (start, end): (f64, f64), x0: &X) -> Self {
        let mut recorder = Recorder {
            save,
            count: 0,
            direction: (end - start).signum(),
            times: Vec::new(),
            states: Vec::new(),
            steps: Vec::new(),
        };
        match save {
            Save::Every(_) | Save::Dense => recorder.push(start, x0.clone()),
            Save::At(times) | Save::Interpolated(times) if times.first() == Some(&start) => {
                recorder.push(start, x0.clone());
            }
            _ => {}
        }
        recorder
    }

    /// The next time at which a step has to end.
    pub(crate) fn next_stop(&self, end: f64) -> f64 {
        match self.save {
            Save::At(times) => (times.get(self.times.len())).map_or(end, |t| unsigned(*t)),
            _ => end,
        }
    }

    /// Whether a step to `t` is to be interpolated.
    pub(crate) fn wants_step(&self, from: f64, t: f64) -> bool {
        match self.save {
            Save::Dense => true,
            Save::Interpolated(times) => (times.get(self.times.len()))
                .is_some_and(|&next| (t - next) * (t - from).signum() >= 0.0),
            _ => false,
        }
    }

    /// Takes note of an accepted step to `t`, up to `limit`, which is where the integration ends if the step goes
    /// beyond it.
    pub(crate) fn step(
        &mut self,
        t: f64,
        x: &X,
        step: Option<&DenseStep<X>>,
        limit: f64,
    ) -> Result<()> {
        self.count += 1;
        match (self.save, step) {
            (Save::Every(n), _)
                if self.count.is_multiple_of(*n) && (limit - t) * self.direction >= 0.0 =>
            {
                self.push(t, x.clone());
            }
            (Save::At(times), _) if times.get(self.times.len()) == Some(&t) => {
                self.push(t, x.clone());
            }
            (Save::Dense, Some(step)) => self.steps.push(step.clone()),
            (Save::Interpolated(times), Some(step)) => {
                while let Some(&next) = times.get(self.times.len())
                    && step.contains(next)
                    && (limit - next) * self.direction >= 0.0
                {
                    let state = step.at(next)?;
                    self.push(unsigned(next), state);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes note of the last state that was reached.
    pub(crate) fn finish(&mut self, t: f64, x: &X) {
        let wanted = match self.save {
            Save::At(times) => times.get(self.times.len()) == Some(&t),
            Save::Interpolated(_) => false,
            _ => self.times.last() != Some(&t),
        };
        if wanted {
            self.push(t, x.clone());
        }
    }

    fn push(&mut self, t: f64, x: X) {
        self.times.push(t);
        self.states.push(x);
    }
}
