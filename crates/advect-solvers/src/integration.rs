//! Integrations and their settings.

use std::fmt;

use advect_core::{Field, Observer, Result, check};
use candle_core::Tensor;

use crate::controller::{Adaptive, Controller};
use crate::event::{Reaction, Watched};
use crate::jumps::Jumps;
use crate::stepper::Stepper;
use crate::{AcceptedStep, DenseStep, Event, SampleIntegration, Save, Solution, Solver, State};

/// Observers, told in this order.
pub(crate) type Observers<'a, E> = Vec<Box<dyn Observer<E> + 'a>>;

/// An integration that has not run yet, with its settings for saved states, events and observers. All settings
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
    pub(crate) jumps: Jumps,
    pub(crate) events: Vec<Watched<'a, X>>,
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
            jumps: Jumps::default(),
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

    /// Sets the times at which the field jumps, in any order: those of a switch, a dose, a piecewise-constant schedule.
    ///
    /// Steps end at a jump. A step that ends or begins there sees the field on its own side: the field gets a time four
    /// spacings of f64 away from the jump, so compare times with a jump in f64. After a jump an adaptive controller
    /// begins anew. So no order is lost at jumps, and a short pulse between two of them is not stepped over.
    ///
    /// ```
    /// use advect_core::field_fn;
    /// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // A switch is turned on at t = 1.
    /// let switch = field_fn(|t, x| t.coefficient(|t| if t >= 1.0 { 1.0 } else { 0.0 })?.times(&x.ones_like()?));
    /// let x = Tensor::new(&[0f64], &Device::Cpu)?;
    /// let solver = Solver::new(Rk4, Fixed::steps(4)?);
    /// let end = solver.integration(&switch, &x, 0.0, 2.0).jumps(&[1.0])?.run()?.end()?;
    /// assert!((end.to_vec1::<f64>()?[0] - 1.0).abs() < 1e-15);
    /// let end = solver.solve(&switch, &x, 0.0, 2.0)?.end()?; // a step that ends at 1 sees both sides
    /// assert!((end.to_vec1::<f64>()?[0] - 13.0 / 12.0).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for times that are not finite or not between start and end; its ends count.
    #[doc(alias = "jump_ts")]
    #[doc(alias = "tstops")]
    #[doc(alias = "discontinuities")]
    pub fn jumps(self, times: &[f64]) -> Result<Self> {
        let jumps = Jumps::new(times)?;
        jumps.check_within(self.start, self.end)?;
        Ok(self.jumping(jumps))
    }

    /// The same with checked times.
    pub(crate) fn jumping(self, jumps: Jumps) -> Self {
        Integration { jumps, ..self }
    }

    /// Stops where an event happens, with [`Status::Event`](crate::Status::Event).
    ///
    /// Of several events the first one to happen stops the integration. [`Solution::events`] tells which it was, and all
    /// that happened before.
    #[doc(alias = "callback")]
    pub fn until(self, event: &'a Event<X>) -> Self {
        self.reacting(event, Reaction::Stop(1))
    }

    /// Stops where an event happens the `n`-th time. [`Solution::events`] holds those before, too.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0.
    pub fn until_nth(self, event: &'a Event<X>, n: usize) -> Result<Self> {
        let n = check::at_least_one("n", n)?;
        Ok(self.reacting(event, Reaction::Stop(n)))
    }

    /// Records an event in [`Solution::events`] whenever it happens, and continues. The steps don't depend on it.
    pub fn watch(self, event: &'a Event<X>) -> Self {
        self.reacting(event, Reaction::Note)
    }

    /// Changes the state where an event happens: the integration continues from the value of `effect` at the time and
    /// the state there.
    ///
    /// The step ends at the event, and an adaptive controller begins anew after it. States that are saved at that time, and
    /// that of the [`Occurrence`](crate::Occurrence), are those before the change. Where several events happen at one time,
    /// their effects follow each other in the order in which they were added, unless one of them stops the integration.
    ///
    /// ```
    /// use advect_core::field_fn;
    /// use advect_solvers::{Crossing, Event, Solver, Status, controller::Adaptive, stepper::Dopri5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // A ball falls from 5 m, with g = 10 m/s², and loses half of its speed whenever it bounces. Columns are height and speed.
    /// let fall = field_fn(|_, x| {
    ///     let speed = x.narrow(1, 1, 1)?;
    ///     Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -10.0)?], 1)?)
    /// });
    /// let x = Tensor::new(&[[5f64, 0.0]], &Device::Cpu)?;
    /// let ground = Event::new(|_, x: &Tensor| Ok(x.to_vec2::<f64>()?[0][0])).crossing(Crossing::Falling);
    /// let bounce = |_: f64, x: &Tensor| Ok(x.broadcast_mul(&Tensor::new(&[[0.0, -0.5]], &Device::Cpu)?)?);
    /// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
    /// let solution = solver
    ///     .integration(&fall, &x, 0.0, 10.0)
    ///     .apply(&ground, bounce)
    ///     .until_nth(&ground, 3)?
    ///     .run()?;
    /// assert_eq!(solution.status, Status::Event);
    /// let bounces: Vec<f64> = solution.events.iter().filter(|at| at.event == 0).map(|at| at.t).collect();
    /// for (t, expected) in bounces.iter().zip([1.0, 2.0, 2.5]) {
    ///     assert!((t - expected).abs() < 1e-8);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The run ends with an [`Error`](advect_core::Error) for a new state that is not finite or not shaped like the old one.
    #[doc(alias = "affect")]
    #[doc(alias = "reset")]
    #[doc(alias = "hybrid system")]
    pub fn apply(self, event: &'a Event<X>, effect: impl Fn(f64, &X) -> Result<X> + 'a) -> Self {
        self.reacting(event, Reaction::Change(Box::new(effect)))
    }

    /// Stops at an event, if there is one.
    pub(crate) fn until_any(self, event: Option<&'a Event<X>>) -> Self {
        match event {
            Some(event) => self.until(event),
            None => self,
        }
    }

    fn reacting(mut self, event: &'a Event<X>, reaction: Reaction<'a, X>) -> Self {
        self.events.push(Watched { event, reaction });
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
        SampleIntegration::new(self)
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
