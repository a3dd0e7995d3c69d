//! Maximum likelihood of continuous normalizing flows (Chen et al. 2018; FFJORD, Grathwohl et al. 2019), with the
//! regularisers of Finlay et al. 2020 (RNODE, eq. 10–11) and TrajectoryNet (Tong et al. 2020, eq. 8).

use std::sync::Arc;

use advect_core::{Error, Field, Generator, Jvp, Result, Time, check, shape};
use advect_solvers::adjoint::Adjoint;
use advect_solvers::divergence::Probe;
use candle_core::{DType, Tensor};

/// `−log p₁(x1) + λ_K ∫ |v|² dt + λ_J ∫ ‖∂v/∂x‖² dt` along the way of each sample from the data at t = 1 to the base law at
/// t = 0, in nats.
///
/// The divergence, and the Jacobian's Frobenius norm, are exact or Hutchinson's estimates of one probe a solve. The
/// gradient goes through the integration by any [`Adjoint`].
///
/// ```
/// use std::sync::Arc;
/// use advect_core::{Generator, Jvp, Key};
/// use advect_objectives::objective::{MaximumLikelihood, log_standard_normal};
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
#[derive(Debug, Clone)]
pub struct MaximumLikelihood<G> {
    gradient: G,
    probe: Option<Probe>,
    kinetic: f64,
    jacobian: f64,
}

impl<G: Adjoint> MaximumLikelihood<G> {
    /// With exact divergences and without regularisers.
    pub fn new(gradient: G) -> Self {
        MaximumLikelihood {
            gradient,
            probe: None,
            kinetic: 0.0,
            jacobian: 0.0,
        }
    }

    /// The same objective with one probe of this law in place of all directions, fresh for each loss and the same along
    /// the integration: FFJORD.
    pub fn hutchinson(self, probe: Probe) -> Self {
        MaximumLikelihood {
            probe: Some(probe),
            ..self
        }
    }

    /// The same objective with the kinetic energy's weight λ_K.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite weight.
    pub fn kinetic(self, weight: f64) -> Result<Self> {
        let kinetic = check::non_negative("weight", weight)?;
        Ok(MaximumLikelihood { kinetic, ..self })
    }

    /// The same objective with the Jacobian norm's weight λ_J.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite weight.
    pub fn jacobian(self, weight: f64) -> Result<Self> {
        let jacobian = check::non_negative("weight", weight)?;
        Ok(MaximumLikelihood { jacobian, ..self })
    }

    /// One loss per sample, `(batch,)`. `parameters` are those of the field, and `base` gives `log p₀`, `(batch,)`, of
    /// samples at t = 0: see [`log_standard_normal`].
    ///
    /// # Errors
    /// Typed errors for samples that are empty, not finite or of 16 bits, and for a `base` whose answer is not `(batch,)` in
    /// the samples' dtype; those of the field and of the integration.
    pub fn losses<F: Jvp + Send + Sync + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x1: &Tensor,
        base: impl Fn(&Tensor) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let batch = check::batch("x1", x1)?;
        if !matches!(x1.dtype(), DType::F32 | DType::F64) {
            return Err(Error::dtype("x1", x1.dtype(), "f32 or f64"));
        }
        check::finite("x1", x1)?;
        let dim = x1.elem_count() / batch;
        let probes = match self.probe {
            Some(probe) => vec![probe.draw(x1, rng)?],
            None => units(x1, dim)?,
        };
        let flow = Arc::new(Regularized {
            field: Arc::clone(field),
            probes,
            dims: x1.dims().to_vec(),
            kinetic: self.kinetic != 0.0,
            jacobian: self.jacobian != 0.0,
        });
        let zeros = Tensor::zeros((batch, flow.columns()), x1.dtype(), x1.device())?;
        let start = Tensor::cat(&[&x1.reshape((batch, dim))?, &zeros], 1)?;
        let solution = self
            .gradient
            .solve(&flow, parameters, &start, &[1.0, 0.0])?;
        let end = solution.end()?;
        let x0 = end.narrow(1, 0, dim)?.reshape(x1.dims())?;
        let column = |i: usize| -> Result<Tensor> { Ok(end.narrow(1, dim + i, 1)?.squeeze(1)?) };
        let base = base(&x0)?;
        check::alike("base", &base, "a number a sample", &column(0)?)?;
        // From 1 to 0: the integrals have the other sign.
        let mut losses = (base + column(0)?)?.neg()?;
        let weights = [self.kinetic, self.jacobian].into_iter();
        for (i, weight) in weights.filter(|w| *w != 0.0).enumerate() {
            losses = (losses - (column(1 + i)? * weight)?)?;
        }
        Ok(losses)
    }
}

/// `log N(x; 0, I)` of each sample, `(batch,)`.
///
/// ```
/// use advect_objectives::objective::log_standard_normal;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let log_density = log_standard_normal(&x)?.to_vec1::<f64>()?;
/// assert!((log_density[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for a scalar, [`Error::Empty`] for an empty batch, [`Error::DType`] unless x is a float.
pub fn log_standard_normal(x: &Tensor) -> Result<Tensor> {
    check::float("x", x)?;
    let dim = (x.elem_count() / check::batch("x", x)?) as f64;
    let constant = -0.5 * dim * (2.0 * std::f64::consts::PI).ln();
    Ok(shape::sum_squares_per_sample(x)?.affine(-0.5, constant)?)
}

/// All unit vectors, shaped like x.
fn units(x: &Tensor, dim: usize) -> Result<Vec<Tensor>> {
    let unit = |i: usize| -> Result<Tensor> {
        let mut row = vec![0f32; dim];
        row[i] = 1.0;
        let row = Tensor::from_vec(row, (1, dim), x.device())?.to_dtype(x.dtype())?;
        let rows = row.broadcast_as((x.dims()[0], dim))?.contiguous()?;
        Ok(rows.reshape(x.dims())?)
    };
    (0..dim).map(unit).collect()
}

/// A field on rows of a sample, beside the integral of its divergence, and those of its energy and of its Jacobian's norm
/// where they are wanted: all of them forwards.
struct Regularized<F> {
    field: Arc<F>,
    probes: Vec<Tensor>,
    dims: Vec<usize>,
    kinetic: bool,
    jacobian: bool,
}

/// Directions that are differentiated together.
const TOGETHER: usize = 16;

impl<F> Regularized<F> {
    /// The number of integrals.
    fn columns(&self) -> usize {
        1 + usize::from(self.kinetic) + usize::from(self.jacobian)
    }
}

impl<F: Jvp> Field for Regularized<F> {
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        let (batch, width) = state.dims2()?;
        let x = state.narrow(1, 0, width - self.columns())?;
        let x = x.reshape(self.dims.as_slice())?;
        let zeros = Tensor::zeros(batch, state.dtype(), x.device())?;
        let (mut divergence, mut norm) = (zeros.clone(), zeros);
        let mut value = None;
        for probes in self.probes.chunks(TOGETHER) {
            let (here, along) = self.field.jvp_each(t, &x, probes)?;
            value.get_or_insert(here);
            for (v, slope) in probes.iter().zip(&along) {
                divergence = (divergence + shape::sum_per_sample(&(v * slope)?)?)?;
                if self.jacobian {
                    norm = (norm + shape::sum_squares_per_sample(slope)?)?;
                }
            }
        }
        let value = value.ok_or_else(|| Error::Empty {
            argument: "x1".into(),
        })?;
        let mut parts = vec![value.reshape((batch, ()))?, divergence.reshape((batch, 1))?];
        if self.kinetic {
            let energy = shape::sum_squares_per_sample(&value)?;
            parts.push(energy.reshape((batch, 1))?);
        }
        if self.jacobian {
            parts.push(norm.reshape((batch, 1))?);
        }
        Ok(Tensor::cat(&parts, 1)?)
    }
}
