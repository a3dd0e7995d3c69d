//! Maximum likelihood of continuous normalizing flows (Chen et al. 2018; FFJORD, Grathwohl et al. 2019), with the
//! regularisers of Finlay et al. 2020 (RNODE, eq. 10–11) and TrajectoryNet (Tong et al. 2020, eq. 8).

use std::sync::Arc;

use advect_core::{Error, Generator, Jvp, Result, check};
use advect_solvers::adjoint::Adjoint;
use advect_solvers::divergence::{Divergence, Exact, Flow, Hutchinson, Probe};
use candle_core::{DType, Tensor};

/// The negative log-likelihood with regularisers, `−log p₁(x1) + λ_K ∫ |v|² dt + λ_J ∫ ‖∂v/∂x‖² dt` along the way of
/// each sample from the data at t = 1 to the base law at t = 0, in nats.
///
/// The divergence, and the Jacobian's Frobenius norm, are exact or Hutchinson's estimates of one probe a solve. The
/// gradient goes through the integration by any [`Adjoint`].
///
/// ```
/// use std::sync::Arc;
/// use advect_core::{Generator, Jvp, Key};
/// use advect_core::normal::log_standard_normal;
/// use advect_objectives::objective::MaximumLikelihood;
/// use advect_solvers::{Solver, controller::Fixed, adjoint::Unrolled, stepper::Rk4};
/// use candle_core::{DType, Device, Tensor};
/// # use advect_core::{Field, Result, Time};
/// # struct Net;
/// # impl Field for Net { fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> { Ok((x * 0.5)?) } }
/// # impl Jvp for Net {
/// #     fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> { Ok(((x * 0.5)?, (dx * 0.5)?)) }
/// # }
/// # fn main() -> Result<()> {
/// # let (net, parameters) = (Arc::new(Net), vec![]); // v(x) = x/2
/// let objective = MaximumLikelihood::new(Unrolled::new(Solver::new(Rk4, Fixed::steps(20)?))).kinetic(0.01)?;
/// let x1 = Tensor::new(&[[1f64]], &Device::Cpu)?;
/// let mut rng = Generator::from_seed(0);
/// let losses = objective.losses(&net, &parameters, &x1, log_standard_normal, &mut rng)?;
/// // x(0) = e^(−1/2), log p₁ = log φ(x(0)) − 1/2, ∫ (x/2)² dt = (1 − e^(−1))/4.
/// let start = (-0.5f64).exp();
/// let log_density = -0.5 * (start * start + (2.0 * std::f64::consts::PI).ln()) - 0.5;
/// let expected = -log_density + 0.01 * 0.25 * (1.0 - start * start);
/// assert!((losses.to_vec1::<f64>()?[0] - expected).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "FFJORD")]
#[doc(alias = "CNF")]
#[doc(alias = "RNODE")]
#[doc(alias = "TrajectoryNet")]
#[doc(alias = "continuous normalizing flow")]
#[doc(alias = "NLL")]
#[derive(Debug, Clone)]
pub struct MaximumLikelihood<A> {
    adjoint: A,
    probe: Option<Probe>,
    /// The times of the data and of the base law.
    times: [f64; 2],
    kinetic: f64,
    jacobian: f64,
}

impl<A: Adjoint> MaximumLikelihood<A> {
    /// Creates the objective with exact divergences and without regularisers.
    pub fn new(adjoint: A) -> Self {
        MaximumLikelihood {
            adjoint,
            probe: None,
            times: [1.0, 0.0],
            kinetic: 0.0,
            jacobian: 0.0,
        }
    }

    /// Returns the adjoint.
    pub fn adjoint(&self) -> &A {
        &self.adjoint
    }

    /// Uses one probe of this law in place of all directions, fresh for each loss and the same along the integration: FFJORD.
    #[doc(alias = "FFJORD")]
    pub fn hutchinson(self, probe: Probe) -> Self {
        MaximumLikelihood {
            probe: Some(probe),
            ..self
        }
    }

    /// Sets the times of the data and of the base law, 1 and 0 by default.
    ///
    /// # Errors
    /// [`Error::Range`] for times that are equal or not finite.
    pub fn between(self, data: f64, base: f64) -> Result<Self> {
        check::finite_number("data", data)?;
        check::finite_number("base", base)?;
        if data == base {
            return Err(Error::range(
                "base",
                base,
                format!("a time other than data = {data}"),
            ));
        }
        let times = [data, base];
        Ok(MaximumLikelihood { times, ..self })
    }

    /// Sets the weight λ_K of the kinetic energy.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite weight.
    pub fn kinetic(self, weight: f64) -> Result<Self> {
        let kinetic = check::non_negative("weight", weight)?;
        Ok(MaximumLikelihood { kinetic, ..self })
    }

    /// Sets the weight λ_J of the Jacobian's norm.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite weight.
    pub fn jacobian(self, weight: f64) -> Result<Self> {
        let jacobian = check::non_negative("weight", weight)?;
        Ok(MaximumLikelihood { jacobian, ..self })
    }

    /// Returns one loss per sample, `(batch,)`. `parameters` are the field's parameters, and `base` gives `log p₀`,
    /// `(batch,)`, of samples at t = 0: [`log_standard_normal`](advect_core::normal::log_standard_normal), for one.
    ///
    /// # Errors
    /// Typed errors for samples that are empty, not finite or of 16 bits, and for a `base` whose answer is not `(batch,)` in
    /// the samples' dtype; the errors of the field and of the integration.
    pub fn losses<F: Jvp + Send + Sync + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x1: &Tensor,
        base: impl Fn(&Tensor) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::batch("x1", x1)?;
        if !matches!(x1.dtype(), DType::F32 | DType::F64) {
            return Err(Error::dtype("x1", x1.dtype(), "f32 or f64"));
        }
        check::finite("x1", x1)?;
        let divergence: Box<dyn Divergence + Send + Sync> = match self.probe {
            Some(probe) => Box::new(Hutchinson::new(probe, 1, x1, rng)?),
            None => Box::new(Exact),
        };
        let mut flow = Flow::new(Arc::clone(field), divergence);
        if self.kinetic != 0.0 {
            flow = flow.kinetic_energy();
        }
        if self.jacobian != 0.0 {
            flow = flow.jacobian_norm();
        }
        let [data, base_time] = self.times;
        let moved = Arc::new(flow).transport_by(&self.adjoint, parameters, x1, data, base_time)?;
        let base = base(&moved.x)?;
        let change = moved.log_density_change;
        check::alike("base", &base, "one number for each sample", &change)?;
        let mut losses = (change - base)?;
        if let Some(energy) = moved.kinetic_energy {
            losses = (losses + (energy * self.kinetic)?)?;
        }
        if let Some(norm) = moved.jacobian_norm {
            losses = (losses + (norm * self.jacobian)?)?;
        }
        Ok(losses)
    }
}
