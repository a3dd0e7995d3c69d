//! The probability-flow ODE (Song et al. 2021a, eq. 13; the flow of flow matching), with any solver.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use advect_core::{Result, field_fn, observer_fn};
use advect_paths::schedule::Schedule;
use advect_solvers::controller::{Controller, Fixed};
use advect_solvers::stepper::{Euler, Stepper};
use advect_solvers::{AcceptedStep, Solver};
use candle_core::Tensor;

use crate::path_sde;
use crate::run::check_finite;
use crate::start::check_state;
use crate::{Level, Run, Sampler, ScoredVelocity};

/// The probability-flow ODE `dx/dt = u(t, x)` with the velocity u of the model, integrated by a [`Solver`].
///
/// With an adaptive solver the batch has one clock: steps, and so the last bits of a sample, depend on the others.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::{Model, ProbabilityFlow, Run, Sampler};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let schedule = CondOt::default();
/// let field = law.velocity(&schedule);
/// let model = Model::new(&field, Prediction::Velocity, &schedule);
/// let sampler = ProbabilityFlow::new(Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?));
///
/// // The flow from N(0, 1) to N(2, ¼) is x ↦ 2 + x/2.
/// let noise = Tensor::new(&[[1f64], [-3.0]], &Device::Cpu)?;
/// let x = sampler.sample(&model, &noise, &mut Generator::from_seed(0))?;
/// assert!((x.to_vec2::<f64>()?[1][0] - 0.5).abs() < 1e-7);
/// // And back.
/// let back = sampler.invert(&mut Run::new(&model, Key::from_seed(0)), &x)?;
/// assert!((back.to_vec2::<f64>()?[1][0] + 3.0).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "probability flow ODE")]
#[doc(alias = "PF-ODE")]
#[doc(alias = "CNF")]
#[doc(alias = "odeint")]
#[derive(Debug, Clone)]
pub struct ProbabilityFlow<S, C> {
    solver: Solver<S, C>,
    start: f64,
    end: f64,
    denoises: bool,
}

impl<S: Stepper, C: Controller<S>> ProbabilityFlow<S, C> {
    /// Creates a sampler from time 0 to 1, by a solver.
    pub fn new(solver: Solver<S, C>) -> Self {
        ProbabilityFlow {
            solver,
            start: 0.0,
            end: 1.0,
            denoises: false,
        }
    }

    /// Sets the times of the start and the end. Choose an end before 1 if the velocity is infinite at 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless `0 ≤ start < end ≤ 1`.
    pub fn within(self, start: f64, end: f64) -> Result<Self> {
        let (start, end) = crate::grid::span(start, end)?;
        Ok(ProbabilityFlow { start, end, ..self })
    }

    /// Adds one more evaluation at the end, to return the expected data `E[x1 | x]` there.
    #[doc(alias = "Tweedie")]
    pub fn denoise(self) -> Self {
        ProbabilityFlow {
            denoises: true,
            ..self
        }
    }

    /// Carries data at the end back to the state at the start, the latent.
    ///
    /// # Errors
    /// As [`Sampler::run`].
    pub fn invert(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        self.transport(run, x, self.end, self.start)
    }

    /// Carries a state `(batch, ...)` of the path from any time to any other one, in either direction, along the velocity of any model. The
    /// run shows each step to its observer.
    ///
    /// # Errors
    /// Typed errors for a state that is empty, no float or not finite; the errors of the model and of the solver.
    pub fn transport<M: ScoredVelocity + ?Sized>(
        &self,
        run: &mut Run<'_, M>,
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<Tensor> {
        check_state("x", x)?;
        Ok(self.integrate(run, x, start, end)?.0)
    }

    /// The state at the end, and the number of steps.
    fn integrate<M: ScoredVelocity + ?Sized>(
        &self,
        run: &mut Run<'_, M>,
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<(Tensor, usize)> {
        run.begin();
        let model = run.model();
        let (steps, halted) = (Cell::new(0), Cell::new(false));
        let shared = RefCell::new(run);
        let velocity = field_fn(|t, x| {
            let at = path_sde::shared(t)?;
            shared.borrow().drift(at, x, 0.0)
        });
        let observer = observer_fn(|step: &AcceptedStep| -> Result<ControlFlow<()>> {
            steps.set(steps.get() + 1);
            let mut run = shared.borrow_mut();
            let level = Level::at(model.schedule(), step.t);
            run.reached(steps.get(), None, &level, &step.x)?;
            halted.set(run.halted());
            Ok(match run.halted() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        let x = x.detach();
        let solution = (self.solver.integration(&velocity, &x, start, end))
            .observe(observer)
            .run()?;
        let x = match halted.get() {
            true => solution.last_state,
            false => solution.end()?,
        };
        Ok((x, steps.get()))
    }
}

impl<S: Stepper, C: Controller<S>> Sampler for ProbabilityFlow<S, C> {
    fn start(&self, schedule: &dyn Schedule) -> Result<Level> {
        Ok(Level::at(schedule, self.start))
    }

    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        check_state("x", x)?;
        run.check_start(&self.start(run.model().schedule())?, x)?;
        let (x, steps) = self.integrate(run, x, self.start, self.end)?;
        if !self.denoises || run.halted() {
            return Ok(x);
        }
        let data = run.evaluate(self.end, &x)?.data()?;
        check_finite(&data, || format!("t = {}, denoising", self.end))?;
        run.reached(steps + 1, None, &Level::clean(), &data)?;
        Ok(data)
    }
}

/// Creates the sampler of iterative α-(de)blending, `x ← x + (α_(i+1) − α_i) D_θ(x, α_i)`, in n equal steps (Heitz,
/// Belcour and Chambon, Iterative α-(de)blending, 2023, algorithm 4): Euler's method for the velocity of the linear
/// schedule, which is [`Ddim`](crate::rule::Ddim) there.
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for 0 steps.
#[doc(alias = "iterative α-(de)blending")]
pub fn iadb(steps: usize) -> Result<ProbabilityFlow<Euler, Fixed>> {
    Ok(ProbabilityFlow::new(Solver::new(
        Euler,
        Fixed::steps(steps)?,
    )))
}
