//! Action matching (Neklyudov, Brekelmans, Severo and Makhzani 2023, "Action matching: learning stochastic dynamics from samples",
//! eq. 7; its entropic and unbalanced forms, sections 3.1 and 3.2).

use advect_core::{Energy, Error, Field, Generator, Result, Time, check, shape};
use advect_solvers::divergence::Probe;
use advect_solvers::energy::GradientField;
use candle_core::{DType, Tensor};

use crate::Snapshots;
use crate::path::{CurveEnds, SnapshotPath};

/// The loss of a potential s, whose gradient ∇s becomes the velocity:
/// `E s(t_1, X_1) − E s(t_K, X_K) + ∫ E[½ |∇s|² + ∂_t s] dt`, over states of curves through the snapshots.
///
/// It is `½ ∫ E|∇s − ∇s*|² dt` and a constant, with the gradient field ∇s* of least kinetic energy that has the marginals of the
/// curves. The velocities of the curves are not used: samples of the marginals at all times are enough.
///
/// With a [diffusion](ActionMatching::diffusion) σ, ∇s becomes the drift of `dx = ∇s dt + σ dw`: the density follows
/// `∂_t q + ∇·(q ∇s) = ½ σ² Δq`, and the loss has the term `½ σ² Δs` in the integral.
///
/// With [growth](ActionMatching::growth), masses change at the rate s, too: the density follows
/// `∂_t q + ∇·(q ∇s) = γ⁻¹ s q`, and the loss has the term `½ γ⁻¹ s²` in the integral. Expectations are then integrals over the masses of the snapshots
/// ([`Snapshots::masses`]), which change exponentially between two times.
///
/// ```
/// use advect_core::{Energy, Generator, Result, Time};
/// use advect_paths::coupling::ExactOt;
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use advect_solvers::energy::GradientField;
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::objective::ActionMatching;
/// use advect_trajectories::path::Chain;
/// use candle_core::{Device, Tensor};
///
/// /// `s = a x`, of velocity a.
/// struct Slope(f64);
/// impl Energy for Slope {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok((x * self.0)?.squeeze(1)?)
///     }
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, self.at(t, dx)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// // From 0 to 3 in one unit of time: s(0) − s(3) + ½ a² is least at a = 3.
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 1.0], &[at(0.0)?, at(3.0)?])?;
/// let objective = ActionMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 8)?);
/// for (a, expected) in [(3.0, -4.5), (2.0, -4.0)] {
///     let velocity = GradientField::new(Slope(a), &[])?;
///     let loss = objective.loss(&velocity, &snapshots, &mut Generator::from_seed(0))?;
///     assert_eq!(loss.to_scalar::<f64>()?, expected);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AM")]
#[doc(alias = "unbalanced action matching")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionMatching<P> {
    path: P,
    growth: f64,
    diffusion: f64,
}

impl<P: SnapshotPath> ActionMatching<P> {
    /// Creates the objective on a law of curves.
    pub fn new(path: P) -> Self {
        ActionMatching {
            path,
            growth: 0.0,
            diffusion: 0.0,
        }
    }

    /// Lets masses grow and shrink, at the rate `s/price`: the greater the price γ of growth beside that of transport, the
    /// less of it there is.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless the price is above 0.
    pub fn growth(self, price: f64) -> Result<Self> {
        let growth = 1.0 / check::positive("price", price)?;
        Ok(ActionMatching { growth, ..self })
    }

    /// Lets samples diffuse with the deviation σ in a unit of time, besides their drift ∇s.
    ///
    /// The Laplacian of the potential is estimated along one random direction for each sample, by a central difference of the potential's
    /// derivatives. Its error is that of the potential's fourth derivatives over a distance of 0.005 of the samples' deviation in f32, 6e-6 in f64, if their mean is 0, and of more the farther it is from 0: in f32 at a mean
    /// of 1,000 deviations 0.05. Samples of 16 bits are refused, as they are too far apart for differences.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a deviation below 0.
    #[doc(alias = "entropic action matching")]
    #[doc(alias = "eAM")]
    pub fn diffusion(self, sigma: f64) -> Result<Self> {
        let diffusion = check::non_negative("sigma", sigma)?;
        Ok(ActionMatching { diffusion, ..self })
    }

    /// Returns the loss of the potential whose gradient is the given velocity, a scalar.
    ///
    /// # Errors
    /// As [`SnapshotPath::sample_with_ends`]; the errors of the potential; [`Error::Range`] for a path whose masses change, without
    /// [growth](ActionMatching::growth); [`Error::DType`] for samples of 16 bits that [diffuse](ActionMatching::diffusion).
    pub fn loss<E: Energy + Send + Sync + 'static>(
        &self,
        velocity: &GradientField<E>,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let (points, [first, last]) = self.path.sample_with_ends(snapshots, rng)?;
        let grow = points.grow();
        if grow && self.growth == 0.0 {
            let accepted = "curves that keep their masses, or a weight of growth";
            return Err(Error::range("path", "curves whose masses change", accepted));
        }
        let (t, x) = (points.time()?, &points.x);
        let potential = velocity.energy();
        let (value, mut rate) = potential.jvp(&t, x, 1.0, &x.zeros_like()?)?;
        check::alike(
            "potential",
            &value,
            "a number for each sample",
            &shape::sum_per_sample(x)?,
        )?;
        let squares = shape::sum_squares_per_sample(&velocity.at(&t, x)?)?;
        rate = (rate + (squares * 0.5)?.to_dtype(value.dtype())?)?;
        if self.growth > 0.0 {
            rate = (rate + (value.sqr()? * (0.5 * self.growth))?)?;
        }
        if self.diffusion > 0.0 {
            let laplacian = laplacian(potential, &t, x, rng)?;
            rate = (rate + (laplacian * (0.5 * self.diffusion * self.diffusion))?)?;
        }
        let mass = |time: f64| match self.growth > 0.0 {
            true => mass(snapshots, time),
            false => 1.0,
        };
        let masses: Vec<f64> = match grow {
            true => points.masses.clone(),
            false => points.times.iter().map(|&time| mass(time)).collect(),
        };
        let stretches = masses.iter().zip(&points.durations);
        let weights: Vec<f64> = stretches.map(|(mass, stretch)| mass * stretch).collect();
        let weights = Tensor::from_vec(weights, x.dims()[0], x.device())?;
        let inside = (rate * weights.to_dtype(value.dtype())?)?.sum_all()?;

        let end = |k: usize, end: &CurveEnds| -> Result<Tensor> {
            let time = snapshots.at(k).time();
            let value = potential.at(&time.into(), &end.x)?;
            let weight = |own: &f64| match grow {
                true => *own,
                false => own * mass(time),
            };
            let weights: Vec<f64> = end.masses.iter().map(weight).collect();
            let weights = Tensor::from_vec(weights, value.dims()[0], x.device())?;
            Ok((&value * weights.to_dtype(value.dtype())?)?.mean_all()?)
        };
        let (first, last) = (end(0, &first)?, end(snapshots.len() - 1, &last)?);
        Ok(((first - last)? + inside)?)
    }
}

/// An estimate of the Laplacian of a potential at each sample, differentiable by the potential's parameters: `zᵀ ∇²s z` for random signs
/// z (Hutchinson 1989).
fn laplacian<E: Energy>(
    potential: &E,
    t: &Time,
    x: &Tensor,
    rng: &mut Generator,
) -> Result<Tensor> {
    let rounding = match x.dtype() {
        DType::F64 => f64::EPSILON,
        DType::F32 => f64::from(f32::EPSILON),
        other => return Err(Error::dtype("snapshots", other, "f32 or f64")),
    };
    let x64 = shape::cast(&x.detach(), DType::F64)?;
    let apart = x64.broadcast_sub(&x64.mean_keepdim(0)?)?;
    let root = |x: &Tensor| -> Result<f64> { Ok(x.sqr()?.mean_all()?.to_scalar::<f64>()?.sqrt()) };
    let (size, deviation) = (root(&x64)?, root(&apart)?);
    // The error of a central difference, over the deviation, and that of rounding, of the size, are about the same.
    let scale = match (size > 0.0, deviation > 0.0) {
        (true, true) => (size * deviation * deviation).cbrt(),
        (true, false) => size,
        (false, _) => 1.0,
    };
    let step = rounding.cbrt() * scale;
    let signs = Probe::Rademacher.draw(x, rng)?;
    let shift = (&signs * step)?;
    let slope = |x: &Tensor| -> Result<Tensor> { Ok(potential.jvp(t, x, 0.0, &signs)?.1) };
    let (ahead, behind) = (slope(&(x + &shift)?)?, slope(&(x - &shift)?)?);
    Ok(((ahead - behind)? / (2.0 * step))?)
}

/// The mass at a time, exponential between the times of the snapshots.
fn mass(snapshots: &Snapshots, time: f64) -> f64 {
    let times = snapshots.times();
    let k = times
        .partition_point(|t| *t <= time)
        .clamp(1, times.len() - 1);
    let (from, to) = (snapshots.at(k - 1), snapshots.at(k));
    let part = (time - from.time()) / (to.time() - from.time());
    from.mass() * (to.mass() / from.mass()).powf(part)
}
