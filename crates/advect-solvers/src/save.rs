//! Which states of an integration are kept.

use advect_core::{Error, Result};
use candle_core::Tensor;

/// Which states a [`Solution`](crate::Solution) holds.
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Save, Solver, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = |_: &Time, x: &Tensor| Ok(x.neg()?);
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let solver = Solver::new(Rk4, Fixed::steps(10)?);
/// let count = |save| Ok::<_, advect_core::Error>(
///     solver.clone().save(save).solve(&decay, &x, 0.0, 1.0)?.states.len(),
/// );
/// assert_eq!(count(Save::End)?, 1);
/// assert_eq!(count(Save::At(vec![0.0, 0.33, 1.0]))?, 3);
/// assert_eq!(count(Save::Every(5))?, 3); // steps 0, 5 and 10
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Save {
    /// The last state only.
    #[default]
    End,
    /// The states at these times, strictly monotone from start to end. Steps are cut to end exactly
    /// there, so that no interpolation error is added.
    At(Vec<f64>),
    /// The first state, the state after every n-th accepted step, and the last one.
    Every(usize),
}

impl Save {
    /// Checks the settings against a span of time.
    pub(crate) fn check(&self, start: f64, end: f64) -> Result<()> {
        match self {
            Save::End => Ok(()),
            Save::Every(0) => Err(Error::range(
                "save",
                "every 0 steps",
                "a count of at least 1",
            )),
            Save::Every(_) => Ok(()),
            Save::At(times) => {
                let (low, high) = (start.min(end), start.max(end));
                let inside = |t: &f64| low <= *t && *t <= high;
                let ordered = times.windows(2).all(|w| match start < end {
                    true => w[0] < w[1],
                    false => w[0] > w[1],
                });
                if times.iter().all(inside) && ordered {
                    return Ok(());
                }
                let accepted = format!("times strictly monotone within {start}..{end}");
                Err(Error::range("save", format!("{times:?}"), accepted))
            }
        }
    }
}

/// The states that an integration has saved so far.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    save: &'a Save,
    steps: usize,
    pub(crate) times: Vec<f64>,
    pub(crate) states: Vec<Tensor>,
}

impl<'a> Recorder<'a> {
    /// Begins with the initial state.
    pub(crate) fn new(save: &'a Save, start: f64, x0: &Tensor) -> Self {
        let mut recorder = Recorder {
            save,
            steps: 0,
            times: Vec::new(),
            states: Vec::new(),
        };
        match save {
            Save::Every(_) => recorder.push(start, x0),
            Save::At(times) if times.first() == Some(&start) => recorder.push(start, x0),
            Save::At(_) | Save::End => {}
        }
        recorder
    }

    /// The next time at which a step has to end.
    pub(crate) fn next_stop(&self, end: f64) -> f64 {
        match self.save {
            Save::At(times) => times.get(self.times.len()).copied().unwrap_or(end),
            Save::End | Save::Every(_) => end,
        }
    }

    /// Takes note of an accepted step.
    pub(crate) fn step(&mut self, t: f64, x: &Tensor) {
        self.steps += 1;
        match self.save {
            Save::Every(n) if self.steps.is_multiple_of(*n) => self.push(t, x),
            Save::At(times) if times.get(self.times.len()) == Some(&t) => self.push(t, x),
            _ => {}
        }
    }

    /// Takes note of the last state that was reached.
    pub(crate) fn finish(&mut self, t: f64, x: &Tensor) {
        if !matches!(self.save, Save::At(_)) && self.times.last() != Some(&t) {
            self.push(t, x);
        }
    }

    fn push(&mut self, t: f64, x: &Tensor) {
        self.times.push(t);
        self.states.push(x.clone());
    }
}
