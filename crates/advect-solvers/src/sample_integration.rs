//! Integrations with a clock for each sample, and their settings.

use std::fmt;

use advect_core::{Error, Observer, Result, check};
use candle_core::Tensor;

use crate::controller::Adaptive;
use crate::event::{Reaction, Watched};
use crate::integration::Observers;
use crate::stepper::Embedded;
use crate::{AcceptedSamples, Event, Integration, SampleSolutions, Samples, Save};

/// An integration that has not run yet, with a clock for each sample ([`Integration::each_sample`]).
#[must_use = "an integration does nothing until it is run"]
pub struct SampleIntegration<'a, S, X = Tensor> {
    pub(crate) shared: Integration<'a, S, Adaptive, X>,
    pub(crate) events: Vec<Watched<'a, X>>,
    pub(crate) observers: Observers<'a, AcceptedSamples<X>>,
}

impl<'a, S, X> SampleIntegration<'a, S, X> {
    pub(crate) fn new(shared: Integration<'a, S, Adaptive, X>) -> Self {
        SampleIntegration {
            shared,
            events: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// Sets the states to save, in place of the last one alone: [`Save::End`] or [`Save::At`].
    pub fn save(self, save: Save) -> Self {
        SampleIntegration {
            shared: self.shared.save(save),
            ..self
        }
    }

    /// Stops a sample where an event happens to it, with [`Status::Event`](crate::Status::Event). The others go on.
    ///
    /// Events see each sample alone, as a batch of one. [`SampleSolutions::events`] holds those that happened.
    ///
    /// ```
    /// use advect_core::field_fn;
    /// use advect_solvers::{Event, Solver, Status, controller::Adaptive, stepper::Tsit5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let decay = field_fn(|_, x| Ok(x.neg()?));
    /// let x = Tensor::new(&[1f64, 2.0, 0.2], &Device::Cpu)?;
    /// let half = Event::new(|_, x: &Tensor| Ok(x.to_vec1::<f64>()?[0] - 0.5));
    /// let solver = Solver::new(Tsit5, Adaptive::new(1e-9, 1e-9)?);
    /// let solution = solver.integration(&decay, &x, 0.0, 5.0).each_sample().until(&half).run()?;
    /// assert_eq!(solution.statuses, [Status::Event, Status::Event, Status::Reached]);
    /// for (t, expected) in solution.last_times.iter().zip([2f64.ln(), 4f64.ln(), 5.0]) {
    ///     assert!((t - expected).abs() < 1e-8);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn until(self, event: &'a Event<X>) -> Self {
        self.reacting(event, Reaction::Stop(1))
    }

    /// Stops a sample where an event happens to it the `n`-th time.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn until_nth(self, event: &'a Event<X>, n: usize) -> Result<Self> {
        let n = check::at_least_one("n", n)?;
        Ok(self.reacting(event, Reaction::Stop(n)))
    }

    /// Records an event in [`SampleSolutions::events`] whenever it happens to a sample, and continues.
    pub fn watch(self, event: &'a Event<X>) -> Self {
        self.reacting(event, Reaction::Note)
    }

    /// Changes the state of a sample where an event happens to it, as [`Integration::apply`].
    pub fn apply(self, event: &'a Event<X>, effect: impl Fn(f64, &X) -> Result<X> + 'a) -> Self {
        self.reacting(event, Reaction::Change(Box::new(effect)))
    }

    fn reacting(mut self, event: &'a Event<X>, reaction: Reaction<'a, X>) -> Self {
        self.events.push(Watched { event, reaction });
        self
    }

    /// Shows the accepted steps of the samples that advanced together to an observer. If it stops the integration, the
    /// samples that are still under way end with [`Status::Halted`](crate::Status::Halted).
    ///
    /// ```
    /// use advect_core::{field_fn, observer_fn};
    /// use advect_solvers::{AcceptedSamples, Solver, controller::Adaptive, stepper::Tsit5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let growth = field_fn(|_, x| Ok(x.clone()));
    /// let x = Tensor::new(&[1f64, 1e-9], &Device::Cpu)?;
    /// let mut steps = [0; 2];
    /// let count = observer_fn(|step: &AcceptedSamples| step.samples.iter().for_each(|&i| steps[i] += 1));
    /// let solver = Solver::new(Tsit5, Adaptive::new(1e-6, 1e-6)?);
    /// let solution = solver.integration(&growth, &x, 0.0, 1.0).each_sample().observe(count).run()?;
    /// assert_eq!(steps, [0, 1].map(|i| solution.statistics[i].accepted));
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe(mut self, observer: impl Observer<AcceptedSamples<X>> + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Runs the integration of each sample.
    ///
    /// # Errors
    /// As [`Integration::run`]; [`Error::Range`] for what a clock per sample does not combine with: saves other than
    /// [`Save::End`] and [`Save::At`], events and observers of the whole batch, observers within steps, and a controller
    /// that oversteps.
    pub fn run(self) -> Result<SampleSolutions<X>>
    where
        X: Samples,
        S: Embedded<X>,
    {
        self.integrate()
    }
}

impl<S, X> SampleIntegration<'_, S, X> {
    /// Refuses what does not combine with a clock for each sample.
    pub(crate) fn check(&self) -> Result<()> {
        let shared = &self.shared;
        let refused = [
            (
                !shared.events.is_empty(),
                "until",
                "an event of the whole batch",
                "an event of each sample, added after each_sample()",
            ),
            (
                !shared.observers.is_empty(),
                "observe",
                "an observer of the whole batch",
                "an observer of AcceptedSamples, added after each_sample()",
            ),
            (
                !shared.inner_observers.is_empty(),
                "observe_within",
                "an observer within steps",
                "none with a clock for each sample (use observe after each_sample())",
            ),
            (
                shared.solver.controller.goes_beyond(),
                "controller",
                "one that oversteps",
                "one that ends at the end, with a clock for each sample",
            ),
        ];
        match refused.into_iter().find(|(is_set, ..)| *is_set) {
            Some((_, argument, given, accepted)) => Err(Error::range(argument, given, accepted)),
            None => Ok(()),
        }
    }
}

impl<S, X> fmt::Debug for SampleIntegration<'_, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleIntegration")
            .field("shared", &self.shared)
            .field("observers", &self.observers.len())
            .finish()
    }
}
