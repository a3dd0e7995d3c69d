//! An observer that keeps states along the way of a sampler.

use std::ops::ControlFlow;

use advect_core::{Observer, Result, check};
use candle_core::Tensor;

use super::StepInfo;

/// An observer that keeps every n-th state, with its time. It needs the memory of the states.
///
/// ```
/// use advect_core::{Key, Time, field_fn};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::observer::Snapshots;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::{Model, Run, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let net = field_fn(|_, x| Ok(x.ones_like()?));
/// let mut snapshots = Snapshots::every(2)?;
/// let model = Model::new(net, Prediction::Data, CondOt::default());
/// let mut run = Run::new(&model, Key::from_seed(0)).observer(&mut snapshots);
/// let x0 = Tensor::new(&[[-1f64]], &Device::Cpu)?;
/// Ddim::new().on(UniformTime::new(4)?).run(&mut run, &x0)?;
/// assert_eq!(snapshots.times, [0.5, 1.0]);
/// assert!(snapshots.states[0].to_vec2::<f64>()?[0][0].abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Snapshots {
    every: usize,
    /// The times.
    pub times: Vec<f64>,
    /// The states.
    pub states: Vec<Tensor>,
}

impl Snapshots {
    /// Creates an observer that keeps the state after each `count`-th step.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0.
    pub fn every(count: usize) -> Result<Self> {
        Ok(Snapshots {
            every: check::at_least_one("count", count)?,
            times: Vec::new(),
            states: Vec::new(),
        })
    }
}

impl Observer<StepInfo> for Snapshots {
    fn observe(&mut self, reached: &StepInfo) -> Result<ControlFlow<()>> {
        if reached.step.is_multiple_of(self.every) {
            self.times.push(reached.level.time);
            self.states.push(reached.x.clone());
        }
        Ok(ControlFlow::Continue(()))
    }
}
