//! Score matching without a target: by the divergence (Hyvärinen 2005), or along random directions (Song et al. 2019).

use advect_core::{Error, Generator, Jvp, Result, Time, check, shape};
use advect_solvers::divergence::{Divergence, Probe};
use candle_core::{DType, Tensor};

/// Implicit score matching, `½ |s(x)|² + ∇·s(x)` at samples x of the law whose score is learned (Hyvärinen 2005, eq.
/// 4). The divergence is exact, or estimated by probes, which leaves the gradient unbiased.
///
/// It needs no noise and no path; on a path, x is x_t. At the score s* of the law its mean is `−½ E|s*|²`, the least.
///
/// ```
/// use advect_core::{Field, Generator, Jvp, Result, Time};
/// use advect_objectives::objective::ImplicitScoreMatching;
/// use advect_solvers::divergence::{Exact, Hutchinson, Probe};
/// use candle_core::{DType, Device, Tensor};
/// # struct Linear;
/// # impl Field for Linear {
/// #     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> { Ok(x.neg()?) }
/// # }
/// # impl Jvp for Linear {
/// #     fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> { Ok((x.neg()?, dx.neg()?)) }
/// # }
/// # fn main() -> Result<()> {
/// let score = Linear; // s(x) = −x, that of N(0, I)
/// let x = Tensor::new(&[[1f64, 2.0]], &Device::Cpu)?;
/// let losses = ImplicitScoreMatching::new(Exact).losses(&score, &Time::Shared(1.0), &x)?;
/// assert_eq!(losses.to_vec1::<f64>()?, [0.5 * 5.0 - 2.0]);
/// // Fresh probes for each step of training:
/// let probes = Hutchinson::new(Probe::Rademacher, 1, &x, &mut Generator::from_seed(0))?;
/// let losses = ImplicitScoreMatching::new(probes).losses(&score, &Time::Shared(1.0), &x)?;
/// # let _ = losses;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ISM")]
#[derive(Debug, Clone)]
pub struct ImplicitScoreMatching<D> {
    divergence: D,
}

impl<D: Divergence> ImplicitScoreMatching<D> {
    /// Creates the objective with a method for the divergence.
    pub fn new(divergence: D) -> Self {
        ImplicitScoreMatching { divergence }
    }

    /// Returns one loss per sample, `(batch,)`.
    ///
    /// # Errors
    /// Typed errors for samples that are empty or not finite; the errors of the field.
    pub fn losses(&self, score: &dyn Jvp, t: &Time, x: &Tensor) -> Result<Tensor> {
        check_samples(x)?;
        let found = self.divergence.at(score, t, x)?;
        let norms = shape::sum_squares_per_sample(&found.value)?;
        let divergence = found.divergence.to_dtype(norms.dtype())?;
        Ok(((norms * 0.5)? + divergence)?)
    }
}

/// Sliced score matching, `v·∇(v·s) + ½ (v·s)²` on random directions v (Song et al. 2019, eq. 7). Without the
/// variance of the second term, it is [`ImplicitScoreMatching`] with probes (eq. 8).
///
/// ```
/// use advect_objectives::objective::SlicedScoreMatching;
/// use advect_solvers::divergence::Probe;
/// # fn main() -> advect_core::Result<()> {
/// let objective = SlicedScoreMatching::new(Probe::Gaussian, 1)?;
/// assert!(SlicedScoreMatching::new(Probe::Gaussian, 0).is_err());
/// # let _ = objective;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SSM")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicedScoreMatching {
    probe: Probe,
    count: usize,
}

impl SlicedScoreMatching {
    /// Creates the objective with a law of the directions and their number for each sample.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 directions, and for more than fit the memory.
    pub fn new(probe: Probe, count: usize) -> Result<Self> {
        check::at_least_one("count", count)?;
        check::memory("count", &[count], DType::F64)?;
        Ok(SlicedScoreMatching { probe, count })
    }

    /// Returns one loss per sample, `(batch,)`, with fresh directions.
    ///
    /// # Errors
    /// As [`ImplicitScoreMatching::losses`].
    pub fn losses(
        &self,
        score: &dyn Jvp,
        t: &Time,
        x: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check_samples(x)?;
        let draws = (0..self.count).map(|_| self.probe.draw(x, rng));
        let probes: Vec<Tensor> = draws.collect::<Result<_>>()?;
        let (value, along) = score.jvp_each(t, x, &probes)?;
        let mut sum: Option<Tensor> = None;
        let value = shape::wide(&value)?;
        for (v, slope) in probes.iter().zip(&along) {
            let v = shape::wide(v)?;
            let curvature = shape::sum_per_sample(&(&v * shape::wide(slope)?)?)?;
            let slice = shape::sum_per_sample(&(&v * &value)?)?;
            let loss = (curvature + (slice.sqr()? * 0.5)?)?;
            sum = Some(match sum {
                Some(sum) => (sum + loss)?,
                None => loss,
            });
        }
        let sum = sum.ok_or_else(|| Error::range("count", 0, "at least 1"))?;
        Ok((sum / self.count as f64)?)
    }
}

fn check_samples(x: &Tensor) -> Result<()> {
    check::batch("x", x)?;
    check::float("x", x)?;
    check::finite("x", x)
}
