//! Integrations and their settings.

use std::fmt;

use advect_core::{Error, Field, Observer, Result};
use candle_core::Tensor;

use crate::controller::{Adaptive, Controller};
use crate::stepper::{Embedded, Stepper};
use crate::{
    AcceptedSamples, AcceptedStep, DenseStep, Event, SampleSolutions, Samples, Save, Solution,
    Solver, State,
};

/// Observers, told in this order.
type Observers<'a, E> = Vec<Box<dyn Observer<E> + 'a>>;

/// An integration that is about to run, with its settings for saved states, events and observers. All settings
/// combine freely.
///
/// [`Solver::integration`] makes one, and [`Integration::run`] carries it out.
///
/// ```
/// use advect_core::{field_fn, observer_fn};
/// use advect_solvers::{AcceptedStep, DenseStep, Event, Save, Solver, Status, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solver = Solver::new(Rk4, Fixed::steps(10)?);
///
/// let half = Event::new(|_, x: &Tensor| Ok(x.to_vec1::<f64>()?[0] - 0.5));
/// let late = Event::new(|t, _: &Tensor| Ok(t - 0.9));
/// let (mut ends, mut middles) = (Vec::new(), Vec::new());
/// let solution = solver
///     .integration(&decay, &x, 0.0, 1.0)
///     .save(Save::At(vec![0.25, 0.5]))
///     .until(&late)
///     .until(&half)
///     .observe(observer_fn(|step: &AcceptedStep| ends.push(step.t)))
///     .observe_within(observer_fn(|step: &DenseStep| -> advect_core::Result<()> {
///         middles.push(step.at(0.5 * (step.start + step.end))?.to_vec1::<f64>()?[0]);
///         Ok(())
///     }))
///     .run()?;
///
/// assert_eq!((solution.status, solution.events[0].event), (Status::Event, 1));
/// assert!((solution.last_time - 2f64.ln()).abs() < 1e-6);
/// assert_eq!(solution.times, [0.25, 0.5]);
/// assert_eq!((ends.len(), ends[2]), (8, 0.25)); // at 0.1, 0.2, 0.25, 0.3, … 0.6, 0.693
/// assert!((middles[1] - (-0.15f64).exp()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[must_use = "an integration does nothing until it is run"]
pub struct Integration<'a, S, C, X = Tensor> {
    pub(crate) solver: &'a Solver<S, C>,
    pub(crate) field: &'a dyn Field<X>,
    pub(crate) x0: &'a X,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) save: Save,
    pub(crate) events: Vec<&'a Event<X>>,
    pub(crate) observers: Observers<'a, AcceptedStep<X>>,
    /// The observers that look within steps.
    pub(crate) inner_observers: Observers<'a, DenseStep<X>>,
    /// Whether each step is taken out of the graph.
    pub(crate) detached: bool,
}

impl<'a, S, C, X> Integration<'a, S, C, X> {
    pub(crate) fn new(
        solver: &'a Solver<S, C>,
        field: &'a dyn Field<X>,
        x0: &'a X,
        start: f64,
        end: f64,
    ) -> Self {
        Integration {
            solver,
            field,
            x0,
            start,
            end,
            save: Save::End,
            events: Vec::new(),
            observers: Vec::new(),
            inner_observers: Vec::new(),
            detached: false,
        }
    }

    /// Sets the states to save, in place of the last one alone.
    #[doc(alias = "saveat")]
    #[doc(alias = "t_eval")]
    pub fn save(self, save: Save) -> Self {
        Integration { save, ..self }
    }

    /// Stops where an event happens, with [`Status::Event`](crate::Status::Event).
    ///
    /// Of several events the first one to happen stops the integration; of several at the same time it is the
    /// one that was added first. [`Solution::events`] tells which it was.
    #[doc(alias = "callback")]
    pub fn until(mut self, event: &'a Event<X>) -> Self {
        self.events.push(event);
        self
    }

    /// Shows each accepted step to an observer, which can stop the integration, with
    /// [`Status::Halted`](crate::Status::Halted). It costs no evaluation of the field.
    ///
    /// Give an observer by value, or `&mut observer` to use it afterwards; a closure is one by
    /// [`observer_fn`](advect_core::observer_fn).
    pub fn observe(mut self, observer: impl Observer<AcceptedStep<X>> + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Shows each accepted step to an observer that can look within it, by [`DenseStep::at`], and stop the integration.
    ///
    /// It costs an evaluation of the field at the end of the integration, for methods whose interpolant is
    /// [`Hermite`](crate::Interpolant::Hermite)'s and whose last stage is not the first of the next step.
    #[doc(alias = "dense output")]
    pub fn observe_within(mut self, observer: impl Observer<DenseStep<X>> + 'a) -> Self {
        self.inner_observers.push(Box::new(observer));
        self
    }

    /// Takes each step out of the graph.
    pub(crate) fn detached(self) -> Self {
        Integration {
            detached: true,
            ..self
        }
    }

    /// Runs the integration.
    ///
    /// # Errors
    /// As [`Solver::solve`]; typed errors for saves outside the span or between the steps of a method that has none
    /// there; the errors of events and observers.
    pub fn run(self) -> Result<Solution<X>>
    where
        X: State,
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        self.integrate()
    }
}

impl<'a, S, X> Integration<'a, S, Adaptive, X> {
    /// Gives each sample its own clock, its own step sizes and its own error. A sample that is at its end leaves the
    /// batch. A stiff sample does not force its small steps on the others, and a sample's solution does not depend on
    /// the other samples.
    ///
    /// The field sees [`Time::PerSample`](advect_core::Time::PerSample), and only the samples that are still under way:
    /// values that belong to a sample must be part of the state, with a slope of 0, and not of the field.
    ///
    /// ```
    /// use advect_core::field_fn;
    /// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // dx/dt = −rate · x: the rate is the second column.
    /// let field = field_fn(|_, x| {
    ///     let (x, rate) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    ///     Ok(Tensor::cat(&[(x * &rate)?.neg()?, rate.zeros_like()?], 1)?)
    /// });
    /// let x = Tensor::new(&[[1f64, 1.0], [1.0, 300.0]], &Device::Cpu)?;
    /// let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
    /// let solution = solver.integration(&field, &x, 0.0, 1.0).each_sample().run()?;
    /// let [easy, stiff] = [0, 1].map(|i| solution.statistics[i].accepted);
    /// assert!(easy < 15 && stiff > 80);
    /// assert!((solution.end()?.to_vec2::<f64>()?[0][0] - (-1f64).exp()).abs() < 1e-6);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "vmap")]
    pub fn each_sample(self) -> SampleIntegration<'a, S, X> {
        SampleIntegration {
            shared: self,
            observers: Vec::new(),
        }
    }
}

/// An integration that is about to run, with a clock for each sample ([`Integration::each_sample`]).
#[must_use = "an integration does nothing until it is run"]
pub struct SampleIntegration<'a, S, X = Tensor> {
    pub(crate) shared: Integration<'a, S, Adaptive, X>,
    pub(crate) observers: Observers<'a, AcceptedSamples<X>>,
}

impl<'a, S, X> SampleIntegration<'a, S, X> {
    /// Sets the states to save, in place of the last one alone: [`Save::End`] or [`Save::At`].
    pub fn save(self, save: Save) -> Self {
        SampleIntegration {
            shared: self.shared.save(save),
            ..self
        }
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
    /// [`Save::End`] and [`Save::At`], events, observers of the whole batch or within steps, and a controller that
    /// oversteps.
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
                "an event",
                "none with a clock for each sample, because an event stops the whole batch",
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

impl<S, C, X> fmt::Debug for Integration<'_, S, C, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("save", &self.save)
            .field("events", &self.events.len())
            .field("observers", &self.observers.len())
            .field("inner_observers", &self.inner_observers.len())
            .finish_non_exhaustive()
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
