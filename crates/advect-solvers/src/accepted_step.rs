//! The steps that an integration shows to its observers.

use advect_core::Advance;
use candle_core::Tensor;

use crate::Statistics;

/// An accepted step of an integration, as shown to an [`Observer`](advect_core::Observer)
/// ([`Integration::observe`](crate::Integration::observe)).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcceptedStep<X = Tensor> {
    /// The time at which the step started.
    pub start: f64,
    /// The time at which the step ended.
    pub t: f64,
    /// The state at that time.
    pub x: X,
    /// The cost of the integration so far.
    pub statistics: Statistics,
}

/// The number of steps is not known beforehand.
impl<X> Advance for AcceptedStep<X> {
    fn position(&self) -> usize {
        self.statistics.accepted
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn message(&self) -> String {
        // Rounded first: no zero has a sign.
        let t = (self.t * 1e3).round() / 1e3 + 0.0;
        format!("t {t:.3}  {} evaluations", self.statistics.evaluations)
    }
}

impl<X> AcceptedStep<X> {
    /// Creates a step from the time `start` to the state `x` at the time `t`.
    pub fn new(start: f64, t: f64, x: X, statistics: Statistics) -> Self {
        AcceptedStep {
            start,
            t,
            x,
            statistics,
        }
    }
}

/// The accepted steps of the samples that advanced together, each on its own clock
/// ([`SampleIntegration::observe`](crate::SampleIntegration::observe)).
///
/// The lists have an element for each sample that advanced; samples whose step was rejected are missing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcceptedSamples<X = Tensor> {
    /// The numbers of the samples, in ascending order.
    pub samples: Vec<usize>,
    /// The time at which the step of each sample started.
    pub starts: Vec<f64>,
    /// The time at which the step of each sample ended.
    pub times: Vec<f64>,
    /// The states of the samples, each at its time.
    pub x: X,
    /// The cost of each sample so far.
    pub statistics: Vec<Statistics>,
}

impl<X> AcceptedSamples<X> {
    /// Creates steps of some samples to the states `x`, without cost.
    pub fn new(samples: Vec<usize>, starts: Vec<f64>, times: Vec<f64>, x: X) -> Self {
        AcceptedSamples {
            statistics: vec![Statistics::default(); samples.len()],
            samples,
            starts,
            times,
            x,
        }
    }
}
