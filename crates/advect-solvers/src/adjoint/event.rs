//! Events whose time and state can be differentiated, by the implicit function theorem.

use std::fmt;
use std::sync::Arc;

use advect_core::{Error, Field, Result, Time};
use advect_ops::{backward, with_graph, without_graph};
use candle_core::{DType, Tensor, Var};

use super::moved;
use crate::{Crossing, Event, Solution};

type Function = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync;

/// An event whose time and state can be differentiated ([`Adjoint::solve_until`](super::Adjoint::solve_until)): where a
/// tensor function of time and state is 0.
///
/// With the event's function g, the field f, and a change δx of the state at a fixed time, the time of the event changes by
///
/// `δt = −(∂g/∂x · δx + δg) / (∂g/∂t + ∂g/∂x · f)`
///
/// where δg comes from variables that g itself computes with, and the state at the event by `δx + f δt` (the implicit
/// function theorem; Chen, Amos and Nickel, Learning neural event functions for ordinary differential equations, 2021).
///
/// ```
/// use std::sync::Arc;
/// use advect_core::field_fn;
/// use advect_solvers::adjoint::{Adjoint, DifferentiableEvent, Unrolled};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// // x0 exp(−t) is ½ at t = ln(2 x0), whose derivative by x0 is 1/x0.
/// let decay = Arc::new(field_fn(|_, x: &Tensor| Ok(x.neg()?)));
/// let half = DifferentiableEvent::new(|_, x| Ok(x.affine(1.0, -0.5)?));
/// let x0 = Var::new(&[4f64], &Device::Cpu)?;
/// let span = Tensor::new(&[0f64, 10.0], &Device::Cpu)?;
/// let adjoint = Unrolled::new(Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?));
/// let reached = adjoint.solve_until(&decay, &[], &x0, &span, &half)?;
/// assert!((reached.t.to_scalar::<f64>()? - 8f64.ln()).abs() < 1e-8);
/// let gradient = reached.t.backward()?.get(&x0).unwrap().to_vec1::<f64>()?;
/// assert!((gradient[0] - 0.25).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "implicit function theorem")]
#[doc(alias = "odeint_event")]
pub struct DifferentiableEvent {
    function: Arc<Function>,
    crossing: Crossing,
}

impl DifferentiableEvent {
    /// Creates an event where `function` crosses 0 in either direction. It gets the time, a scalar of the state's dtype, and
    /// the state, and gives one number, computed by tracked operations.
    pub fn new(
        function: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        DifferentiableEvent {
            function: Arc::new(function),
            crossing: Crossing::Any,
        }
    }

    /// Sets the direction in which the function has to cross 0, seen along the integration.
    pub fn crossing(self, crossing: Crossing) -> Self {
        DifferentiableEvent { crossing, ..self }
    }

    fn value(&self, t: &Tensor, x: &Tensor) -> Result<Tensor> {
        let value = (self.function)(t, x)?;
        match value.elem_count() {
            1 => Ok(value.reshape(())?),
            _ => Err(Error::shape("event", value.dims(), "one number")),
        }
    }

    /// The same event for integrations.
    pub(super) fn plain(&self) -> Event {
        let this = self.clone();
        let function = move |t: f64, x: &Tensor| {
            let x = x.detach();
            let value = without_graph(|| this.value(&time(t, &x)?, &x))?;
            Ok(value.to_dtype(DType::F64)?.to_scalar::<f64>()?)
        };
        Event::new(function).crossing(self.crossing)
    }

    /// The rate of change of the function along the solution.
    fn rate(&self, t: f64, x: &Tensor, slope: &Tensor) -> Result<f64> {
        let (t, x) = (Var::from_tensor(&time(t, x)?)?, Var::from_tensor(x)?);
        let value = with_graph(|| self.value(&t, &x))?;
        let mut rate = 0.0;
        if value.track_op() {
            let gradients = backward(&value)?;
            let number = |x: Tensor| x.to_dtype(DType::F64)?.to_scalar::<f64>();
            if let Some(by_time) = gradients.get(&t) {
                rate += number(by_time.clone())?;
            }
            if let Some(by_state) = gradients.get(&x) {
                rate += number((by_state * slope)?.sum_all()?)?;
            }
        }
        match rate != 0.0 && rate.is_finite() {
            true => Ok(rate),
            false => Err(Error::range(
                "event",
                format!("a function that changes at the rate {rate} along the solution"),
                "one that crosses 0 and is computed from time or state by tracked operations",
            )),
        }
    }

    /// The event at which a solution ended, with derivatives.
    pub(super) fn reached<F: Field + ?Sized>(
        &self,
        field: &F,
        solution: Solution,
    ) -> Result<Reached> {
        let (at, x) = (solution.last_time, &solution.last_state);
        let flat = x.detach();
        let slope = without_graph(|| field.at(&Time::Shared(at), &flat))?.detach();
        let rate = self.rate(at, &flat, &slope)?;
        let value = self.value(&time(at, &flat)?, x)?;
        let change = ((&value - value.detach())?.to_dtype(DType::F64)? * (-1.0 / rate))?;
        let t = (Tensor::new(at, x.device())? + change)?;
        Ok(Reached {
            x: moved(x, &slope, &t, 1.0)?,
            t,
            solution,
        })
    }
}

/// A time as a scalar beside a state.
fn time(t: f64, x: &Tensor) -> Result<Tensor> {
    Ok(Tensor::new(t, x.device())?.to_dtype(x.dtype())?)
}

impl fmt::Debug for DifferentiableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DifferentiableEvent")
            .field("crossing", &self.crossing)
            .finish_non_exhaustive()
    }
}

/// An event that was reached ([`Adjoint::solve_until`](super::Adjoint::solve_until)).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reached {
    /// The time of the event, a scalar in f64, which can be differentiated.
    pub t: Tensor,
    /// The state at the event, which can be differentiated: it changes with the time of the event, too.
    pub x: Tensor,
    /// The solution up to the event, whose states are differentiable at fixed times.
    pub solution: Solution,
}
